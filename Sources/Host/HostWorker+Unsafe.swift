import Glibc

/// Reads and writes a `HostImage` on a thread of its own, one transfer after the other in the order in which
/// they were asked for, so that whoever runs the guest never waits for the host's disk unless it wants to.
///
/// Sendable although it is a class with state: everything that changes is guarded by `lock`.
public final class HostWorker: @unchecked Sendable {
  /// One transfer.
  public final class Transfer: @unchecked Sendable {
    enum Work {
      case read(offset: UInt64, count: Int)
      case write(offset: UInt64, bytes: [UInt8])
      case flush
    }
    fileprivate let work: Work
    fileprivate var result: (bytes: [UInt8], error: Int32)?
    private let worker: HostWorker

    fileprivate init(_ work: Work, _ worker: HostWorker) {
      self.work = work
      self.worker = worker
    }

    public var isFinished: Bool { worker.lock.whileLocked { result != nil } }

    /// Waits for the end.
    /// - Returns: the bytes of a read, and an `errno` if it failed.
    public func wait() -> (bytes: [UInt8], error: Int32) {
      worker.lock.whileLocked {
        while true {
          if let taken = result {
            // The bytes are handed out once.
            result = ([], taken.error)
            return taken
          }
          worker.lock.wait()
        }
      }
    }
  }

  public let image: HostImage
  private let lock = HostLock()
  private var waiting: [Transfer] = []
  private var isEnding = false
  private var thread: pthread_t?

  /// The thread keeps the worker alive until `stop`.
  public init(_ image: HostImage) { self.image = image }

  public func read(at offset: UInt64, count: Int) -> Transfer {
    start(.read(offset: offset, count: count))
  }
  public func write(_ bytes: [UInt8], at offset: UInt64) -> Transfer {
    start(.write(offset: offset, bytes: bytes))
  }
  public func flush() -> Transfer { start(.flush) }

  private func start(_ work: Transfer.Work) -> Transfer {
    let transfer = Transfer(work, self)
    let hasThread = lock.whileLocked {
      if thread == nil { startThread() }
      if thread != nil {
        waiting.append(transfer)
        lock.signal()
      }
      return thread != nil
    }
    // A host that has no thread to spare: do it here.
    if !hasThread { transfer.result = perform(work) }
    return transfer
  }

  private func perform(_ work: Transfer.Work) -> (bytes: [UInt8], error: Int32) {
    switch work {
    case .read(let offset, let count): return image.read(at: offset, count: count)
    case .write(let offset, let bytes): return ([], image.write(bytes, at: offset))
    case .flush: return ([], image.flush())
    }
  }

  /// Finishes what was asked for and ends the thread.
  public func stop() {
    let thread = lock.whileLocked {
      isEnding = true
      lock.signal()
      return self.thread
    }
    if let thread { pthread_join(thread, nil) }
    self.thread = nil
  }

  private func startThread() {
    guard !isEnding else { return }
    // Signals are the other threads' business; a file too large is an error here, not a signal.
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_BLOCK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    // The thread holds a reference of its own while it works.
    let context = Unmanaged.passRetained(self).toOpaque()
    let status = pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<HostWorker>.fromOpaque(argument!).takeRetainedValue().work()
        return nil
      }, context)
    if status == 0 {
      self.thread = thread
    } else {
      Unmanaged<HostWorker>.fromOpaque(context).release()
    }
  }

  private func work() {
    while true {
      let next: Transfer? = lock.whileLocked {
        while waiting.isEmpty && !isEnding { lock.wait() }
        return waiting.isEmpty ? nil : waiting.removeFirst()
      }
      guard let next else { return }
      let result = perform(next.work)
      lock.whileLocked {
        next.result = result
        lock.signal()
      }
    }
  }
}

/// A mutex with one condition.
private final class HostLock {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func whileLocked<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }
  /// Gives the lock away until `signal`; also returns for no reason at times.
  func wait() { pthread_cond_wait(condition, mutex) }
  /// Wakes everyone who waits.
  func signal() { pthread_cond_broadcast(condition) }
}
