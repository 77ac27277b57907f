/// Reads what strace wrote of a run and finds system calls that a sandbox was not to make.
struct HostCalls {
  /// Of guest threads and workers, once their filters are in force.
  private enum Role { case startingGuest, startingWorker, guest, worker }
  private var roles: [Substring: Role] = [:]
  /// A call that must be refused: the next thing that happens to its thread is SIGSYS.
  private var pending: [Substring: Substring] = [:]
  private(set) var problems: [String] = []
  private(set) var sandboxes = 0
  private(set) var refused = 0

  /// The first page of the areas that are shared with the monitor.
  private static let shared = ["0x100010", "0x100020"]

  mutating func add(_ line: Substring) {
    guard let blank = line.firstIndex(of: " ") else { return }
    let thread = line[..<blank]
    let text = line[blank...].drop { $0 == " " }
    if let call = pending.removeValue(forKey: thread) {
      if text.hasPrefix("--- SIGSYS") {
        refused += 1
        return
      }
      // strace says when a thread changes its mode between two lines; death is fine.
      if text.hasPrefix("+++") { return }
      if text.hasPrefix("<...") || text.hasPrefix("strace:") || text.hasPrefix("[") {
        pending[thread] = call
        return
      }
      problems.append("\(call) was executed")
    }
    if text.contains("execveat("), text.contains("AT_EMPTY_PATH") {
      roles[thread] = .startingGuest
      sandboxes += 1
      return
    }
    guard let role = roles[thread] else { return }
    if role == .startingGuest, text.contains("clone"), let id = text.split(separator: " ").last,
      Int32(id) != nil
    {
      roles[id] = .startingWorker
    }
    guard let bracket = text.firstIndex(of: "("), !text.hasPrefix("<") else { return }
    let name = text[..<bracket]
    if role == .startingGuest || role == .startingWorker {
      if name == "prctl", text.contains("PR_SET_SECCOMP") {
        roles[thread] = role == .startingGuest ? .guest : .worker
      }
      return
    }
    if !isOwn(name, text, role) { pending[thread] = line }
  }

  /// Whether the sandbox's own code makes such a call.
  private func isOwn(_ name: Substring, _ text: Substring, _ role: Role) -> Bool {
    switch name {
    case "futex": Self.shared.contains { text.hasPrefix("futex(\($0)") }
    case "rt_sigreturn", "modify_ldt": role == .guest
    case "mmap", "munmap", "mprotect": role == .worker
    default: false
    }
  }
}
