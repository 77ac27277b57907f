import Glibc

/// A TCP port that waits for one client at a time.
public final class HostListener {
  private let descriptor: Int32
  /// The port, also when 0 was asked for and the host chose one.
  public let port: UInt16

  /// - Parameters:
  ///   - host: an IPv4 address in dotted form, or "localhost".
  ///   - port: 0 for any free one.
  /// - Throws: an error if the address cannot be bound.
  public init(host: String, port: UInt16) throws(HostError) {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    let dotted = host == "localhost" ? "127.0.0.1" : host
    guard inet_pton(AF_INET, dotted, &address.sin_addr) == 1 else {
      throw HostError("listen at \(host)", code: EINVAL)
    }
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw HostError("open a socket") }
    var one: Int32 = 1
    setsockopt(
      descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && listen(descriptor, 1) == 0
          && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isBound else {
      let code = errno
      close(descriptor)
      throw HostError("listen at \(host):\(port)", code: code)
    }
    self.descriptor = descriptor
    self.port = UInt16(bigEndian: address.sin_port)
  }

  deinit { close(descriptor) }

  /// Takes a client.
  /// - Returns: nil if none came within the time or a signal ended the wait.
  public func accept(milliseconds: Int32) -> HostConnection? {
    var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard Glibc.poll(&poll, 1, milliseconds) > 0 else { return nil }
    let client = Glibc.accept(descriptor, nil, nil)
    if client >= 0 { _ = fcntl(client, F_SETFD, FD_CLOEXEC) }
    return client >= 0 ? HostConnection(client) : nil
  }
}

/// A stream to a client.
public final class HostConnection {
  private let descriptor: Int32

  init(_ descriptor: Int32) {
    self.descriptor = descriptor
    var one: Int32 = 1
    setsockopt(
      descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
  }

  deinit { close(descriptor) }

  /// Waits up to `milliseconds` (0: not at all) and reads what has come.
  /// - Returns: no bytes if nothing has; nil when the client has gone.
  public func read(limit: Int, milliseconds: Int32) -> [UInt8]? {
    var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard Glibc.poll(&poll, 1, milliseconds) > 0 else { return [] }
    var failure: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      let n = recv(descriptor, buffer.baseAddress, limit, 0)
      failure = n < 0 ? errno : 0
      count = max(0, n)
    }
    if failure == EINTR || failure == EAGAIN { return [] }
    return bytes.isEmpty ? nil : bytes
  }

  /// - Returns: whether the client took everything.
  public func write(_ bytes: [UInt8]) -> Bool {
    var offset = 0
    while offset < bytes.count {
      let n = bytes.withUnsafeBytes {
        send(descriptor, $0.baseAddress! + offset, $0.count - offset, Int32(MSG_NOSIGNAL))
      }
      if n < 0 && errno == EINTR { continue }
      guard n > 0 else { return false }
      offset += n
    }
    return true
  }
}
