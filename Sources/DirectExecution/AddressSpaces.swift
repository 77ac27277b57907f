import CPU
import Host
import Memory

/// The sandboxes: one for each guest address space that has run directly lately.
final class AddressSpaces: TranslationObserver {
  private let cpu: CPU
  private let image: SandboxImage
  private var list: [AddressSpace] = []
  private var tick: UInt64 = 0
  let names = SelectorNames()

  private(set) var started: UInt64 = 0
  private(set) var lost: UInt64 = 0
  private(set) var mapped: UInt64 = 0

  private static let maximumSpaces = 24
  /// The host allows 65,530 mappings a process; a page can cost up to two.
  private static let maximumPages = 24_000

  init(cpu: CPU) throws(SandboxError) {
    self.cpu = cpu
    image = try SandboxImage()
    cpu.memory.addTranslationObserver(self)
  }

  /// Process ids of the sandboxes.
  var processes: [Int32] { list.map { $0.sandbox.process } }

  /// The sandbox for the current address space, with everything revoked that the guest has revoked.
  func current() throws(SandboxError) -> AddressSpace {
    let root = cpu.pointee.cr3
    tick += 1
    var space = try find(root)
    if !space.sandbox.isAlive() {
      drop(space)
      space = try find(root)
    }
    space.lastUse = tick
    if space.needsCheck { space.check() }
    if space.pages.count > Self.maximumPages { space.unmapAll() }
    space.dropGuards()
    return space
  }

  /// The sandbox of an address space, if there is one.
  func existing(_ root: UInt32) -> AddressSpace? { list.first { $0.root == root } }

  private func find(_ root: UInt32) throws(SandboxError) -> AddressSpace {
    if let space = existing(root) { return space }
    if list.count < Self.maximumSpaces {
      let sandbox = try Sandbox(image: image, ram: cpu.memory.ramDescriptor)
      started += 1
      let space = AddressSpace(root: root, sandbox: sandbox, cpu: cpu, names: names)
      list.append(space)
      return space
    }
    let space = list.min { $0.lastUse < $1.lastUse }!
    space.unmapAll()
    space.needsCheck = false
    space.root = root
    return space
  }

  /// Its process has gone; the next use of the address space starts another.
  func drop(_ space: AddressSpace) {
    lost += 1
    list.removeAll { $0 === space }
  }

  /// Maps a page for an access.
  func map(_ space: AddressSpace, _ linear: UInt32, for access: AddressSpace.Access) -> Bool {
    let count = space.map(linear, for: access)
    guard count > 0 else { return false }
    mapped += UInt64(count)
    return true
  }

  // MARK: Invalidation

  /// The address space that has run last, until its thread has been seen to wait.
  ///
  /// What the guest's kernel revokes is unmapped before the next run. That is soon enough if the thread has
  /// stopped; but code that has got out of 32-bit mode can claim to have stopped and go on reading pages that
  /// its kernel has long given to somebody else. So the host's kernel is asked before the first revocation.
  private var unconfirmed: AddressSpace?

  func hasRun(_ space: AddressSpace) { unconfirmed = space }

  private func confirm() {
    guard let space = unconfirmed else { return }
    unconfirmed = nil
    if !space.sandbox.isWaiting, list.contains(where: { $0 === space }) { drop(space) }
  }

  func translationsFlushed(includingGlobal: Bool) {
    confirm()
    for space in list {
      if includingGlobal { space.unmapAll() } else { space.needsCheck = true }
    }
  }

  func translationFlushed(page linear: UInt32) {
    confirm()
    for space in list { space.unmap(linear) }
  }

  func writesRevoked(physicalPage: UInt32) {
    confirm()
    for space in list { space.revokeWrites(physicalPage) }
  }

  func executionRevoked(physicalPage: UInt32) {
    confirm()
    for space in list { space.revokeExecution(physicalPage) }
  }
}
