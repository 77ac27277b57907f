/// Whether direct execution pays for an address space. It decides nothing about correctness: `Admission` has
/// been asked before.
public protocol SwitchingPolicy {
  /// Whether the address space's ring-3 code should run directly now.
  mutating func prefersDirect(_ space: UInt32) -> Bool
  /// Ring-3 code has run in the translator from an entry to ring 3 to the next exit.
  mutating func ranTranslated(_ space: UInt32, nanoseconds: UInt64)
  /// It has run directly, with so many traps.
  mutating func ranDirectly(_ space: UInt32, nanoseconds: UInt64, traps: UInt64)
}

/// Directly whenever it is possible.
public struct AlwaysDirect: SwitchingPolicy {
  public init() {}
  public mutating func prefersDirect(_ space: UInt32) -> Bool { true }
  public mutating func ranTranslated(_ space: UInt32, nanoseconds: UInt64) {}
  public mutating func ranDirectly(_ space: UInt32, nanoseconds: UInt64, traps: UInt64) {}
}

/// Rent or buy: an address space rents the translator until it has run there for the price of a sandbox, and
/// goes over to direct execution if its runs between two traps are long. There it keeps an account: every
/// nanosecond of execution earns a little (what direct execution is faster by), every trap costs what a trap
/// costs. When the account is overdrawn it goes back, and the next try is four times as expensive. So what a bad
/// guess can lose is a bounded part of the time that was run before it.
public struct RentOrBuy: SwitchingPolicy {
  /// Host nanoseconds in the translator before the first try.
  public var price: UInt64 = 3_000_000
  /// No try costs more.
  public var highestPrice: UInt64 = 5_000_000_000
  /// Mean run between traps that makes a try worth it.
  public var shortestMeanRun: UInt64 = 150_000
  /// Cost of a trap: to the monitor and back, and the caches that it leaves behind.
  public var trapCost: Int64 = 15_000
  /// Earned per nanosecond, as a fraction.
  public var gain: Int64 = 16
  /// Where the account is overdrawn, and what it can hold at most.
  public var overdraft: Int64 = -500_000
  public var ceiling: Int64 = 1_000_000

  private struct Account {
    var isDirect = false
    var balance: Int64 = 0
    var price: UInt64
    /// Time in the translator since the account was opened or overdrawn.
    var rent: UInt64 = 0
    /// Moving average of runs in the translator.
    var meanRun: UInt64 = 0
    var lastUse: UInt64 = 0
  }

  private var accounts: [UInt32: Account] = [:]
  private var tick: UInt64 = 0
  private static let capacity = 512

  public init() {}

  private mutating func change(_ space: UInt32, _ body: (inout Account) -> Void) {
    if accounts[space] == nil, accounts.count >= Self.capacity,
      let oldest = accounts.min(by: { $0.value.lastUse < $1.value.lastUse })?.key
    {
      accounts[oldest] = nil
    }
    tick += 1
    accounts[space, default: Account(price: price)].lastUse = tick
    body(&accounts[space]!)
  }

  public mutating func prefersDirect(_ space: UInt32) -> Bool {
    guard let account = accounts[space] else { return false }
    if account.isDirect { return true }
    guard account.rent >= account.price, account.meanRun >= shortestMeanRun else { return false }
    let ceiling = ceiling
    change(space) {
      $0.isDirect = true
      // The traps that fill the sandbox's mappings are on the house.
      $0.balance = ceiling
    }
    return true
  }

  public mutating func ranTranslated(_ space: UInt32, nanoseconds: UInt64) {
    change(space) {
      $0.rent &+= nanoseconds
      $0.meanRun = ($0.meanRun &* 7 &+ nanoseconds) / 8
    }
  }

  public mutating func ranDirectly(_ space: UInt32, nanoseconds: UInt64, traps: UInt64) {
    let earned = Int64(min(nanoseconds, 1 << 40)) / gain
    let spent = Int64(min(traps, 1 << 20)) * trapCost
    let (overdraft, ceiling, highest) = (overdraft, ceiling, highestPrice)
    change(space) {
      $0.balance = min(ceiling, $0.balance + earned - spent)
      guard $0.balance < overdraft else { return }
      $0.isDirect = false
      $0.rent = 0
      $0.meanRun = 0
      $0.price = min(highest, $0.price &* 4)
    }
  }
}
