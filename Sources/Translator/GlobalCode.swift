import CPU
import Interpreter
import Memory

/// The linear pages of code that is linked from other pages without asking what is mapped there, because they are
/// mapped globally. What becomes of such a mapping is looked up when the guest has dropped it from the TLB: kernels
/// drop all of them for each module that they load, and hardly one has changed.
struct GlobalCode {
  private struct Page {
    /// The page that the code was fetched from; nil if there were several.
    var physical: UInt32?
    /// The numbers of the translations in it.
    var translations: [Int] = []
  }
  /// By linear address, bit 0 set for ring 3.
  private var pages: [UInt32: Page] = [:]
  private var suspects: Set<UInt32> = []
  /// Whether translated code must not run before pages have been looked up again.
  private(set) var needsCheck = false
  private var postponed = 0

  /// Runs of the interpreter for which a check waits while no page is global: kernels clear CR4.PGE for a moment to
  /// drop everything.
  private static let patience = 64

  /// The code at the translation's address has been fetched from `physical`.
  mutating func note(_ number: Int, eip: UInt32, isUser: Bool, physical: UInt32) {
    let key = eip & 0xFFFF_F000 | (isUser ? 1 : 0)
    let page = physical & 0xFFFF_F000
    pages[key, default: Page(physical: page)].translations.append(number)
    if pages[key]?.physical != page { pages[key]?.physical = nil }
  }

  /// All global mappings have been dropped.
  /// - Returns: whether there is code to be checked.
  mutating func suspectAll() -> Bool {
    guard !pages.isEmpty else { return false }
    suspects = Set(pages.keys)
    needsCheck = true
    return true
  }

  /// The mapping of one page has been dropped.
  /// - Returns: whether there is code to be checked.
  mutating func suspect(page linear: UInt32) -> Bool {
    let linear = linear & 0xFFFF_F000
    var isFound = false
    for key in [linear, linear | 1] where pages[key] != nil {
      suspects.insert(key)
      isFound = true
    }
    if isFound { needsCheck = true }
    return isFound
  }

  enum Outcome {
    /// The translations of pages that are mapped otherwise now.
    case stale([Int])
    /// Global pages have been switched off: ask again after a run of the interpreter.
    case postponed
    /// They have been off for long.
    case off
  }

  /// Looks the suspects up as the page tables show them now.
  mutating func check(_ cpu: CPU) -> Outcome {
    guard cpu.pointee.cr4 & (1 << 7) != 0 else {
      postponed += 1
      return postponed > Self.patience ? .off : .postponed
    }
    var stale: [Int] = []
    for key in suspects {
      guard let page = pages[key] else { continue }
      if let now = cpu.peekMapping(key & 0xFFFF_F000, user: key & 1 != 0),
        now.physicalPage == page.physical, now.executable, now.global
      {
        continue
      }
      stale += page.translations
      pages[key] = nil
    }
    suspects.removeAll(keepingCapacity: true)
    needsCheck = false
    postponed = 0
    return .stale(stale)
  }

  mutating func removeAll() { self = GlobalCode() }
}

extension Translator {
  /// Drops the code of global pages that are no longer what they were.
  func checkGlobalCode() {
    switch globalCode.check(cpu) {
    case .postponed: break
    case .off: flush()
    case .stale(let numbers):
      for number in numbers where translations[number].isAlive { kill(translations[number].block) }
    }
  }
}
