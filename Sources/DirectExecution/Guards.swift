// Pages with a few instructions that would show the host, such as CPUID, run directly with breakpoints at these: each stops
// before it is executed, and another engine executes it.

extension AddressSpace {
  /// Whether the page at `linear` may be executed as it is with the breakpoints that are set.
  func isGuarded(_ linear: UInt32, _ physicalPage: UInt32) -> Bool {
    guard let places = guards[linear] else { return false }
    return places == breakpoints(linear, physicalPage)
  }

  /// Whether the guest's thread stops at a linear address because of a breakpoint in a page that needs it.
  func isGuard(_ linear: UInt32) -> Bool {
    let page = linear & 0xFFFF_F000
    return guards[page]?.contains(linear) == true && needsGuards(page)
  }

  private func needsGuards(_ page: UInt32) -> Bool {
    pages[page].map { $0.executable && $0.isGuarded } ?? false
  }

  private func breakpoints(_ linear: UInt32, _ physicalPage: UInt32) -> [UInt32]? {
    memory.breakpoints(page: physicalPage, limit: Sandbox.breakpointLimit)?.map { linear | $0 }
  }

  /// Sets breakpoints in a page, which is not executable yet.
  /// - Returns: whether it may be executed with them.
  func setGuards(_ page: UInt32, _ physicalPage: UInt32) -> Bool {
    guard !hasNoBreakpoints, let places = breakpoints(page, physicalPage), !places.isEmpty else {
      return false
    }
    var wanted = guards.filter { $0.key != page && needsGuards($0.key) }
    wanted[page] = places
    guard wanted.values.reduce(0, { $0 + $1.count }) <= Sandbox.breakpointLimit else {
      return false
    }
    return set(wanted)
  }

  /// Removes the breakpoints of pages that are no longer what they were.
  func dropGuards() {
    guard !guards.isEmpty, !hasNoBreakpoints else { return }
    let wanted = guards.filter { needsGuards($0.key) }
    if wanted.count < guards.count { _ = set(wanted) }
  }

  private func set(_ wanted: [UInt32: [UInt32]]) -> Bool {
    guards = wanted
    if sandbox.setBreakpoints(wanted.values.flatMap { $0 }) { return true }
    // Some of the others may have gone.
    hasNoBreakpoints = true
    guards = [:]
    unmapAll()
    return false
  }
}
