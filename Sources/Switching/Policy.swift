/// Whether direct execution pays for an address space. It decides nothing about correctness: `Admission` has
/// been asked before.
public protocol SwitchingPolicy {
  /// Whether the address space's ring-3 code should run directly now.
  mutating func prefersDirect(_ space: UInt32) -> Bool
  /// Ring-3 code has run in the translator for so long and has left ring 3 so often.
  mutating func ranTranslated(_ space: UInt32, nanoseconds: UInt64, exits: UInt64)
  /// It has run directly, with so many traps.
  mutating func ranDirectly(_ space: UInt32, nanoseconds: UInt64, traps: UInt64)
}

/// Directly whenever it is possible.
public struct AlwaysDirect: SwitchingPolicy {
  public init() {}
  public mutating func prefersDirect(_ space: UInt32) -> Bool { true }
  public mutating func ranTranslated(_ space: UInt32, nanoseconds: UInt64, exits: UInt64) {}
  public mutating func ranDirectly(_ space: UInt32, nanoseconds: UInt64, traps: UInt64) {}
}

/// Rent or buy: an address space rents the translator until it has run there for the price of a try, and goes
/// over to direct execution if its runs were long in that time. There it keeps an account, opened with a fraction
/// of the price: every nanosecond of execution earns a little (what direct execution is faster by), every trap
/// costs what a trap costs. When the account is overdrawn it goes back, and the next try is twice as expensive,
/// unless this one has paid. So what bad guesses lose is at most that fraction of the time that was run before.
public struct RentOrBuy: SwitchingPolicy {
  /// Host nanoseconds in the translator before the first try.
  public var price: UInt64 = 1_000_000
  /// No try costs more: the address space may be another program's by then.
  public var highestPrice: UInt64 = 16_000_000
  /// Mean run between exits from ring 3 that makes a try worth it.
  public var shortestMeanRun: UInt64 = 150_000
  /// Cost of a trap: to the monitor and back, and the caches that it leaves behind.
  public var trapCost: Int64 = 15_000
  /// Earned per nanosecond, as a fraction.
  public var gain: Int64 = 12
  /// What an account is opened with, as a fraction of the price, at least and at most.
  public var credit: UInt64 = 12
  public var lowestCredit: UInt64 = 150_000
  public var highestCredit: UInt64 = 500_000
  /// What an account can hold at most, and from where on the try has paid.
  public var ceiling: Int64 = 1_000_000

  private struct Account {
    var isDirect = false
    var hasPaid = false
    var balance: Int64 = 0
    var price: UInt64
    /// Time in the translator since it was last decided about, and exits from ring 3 in that time.
    var rent: UInt64 = 0
    var exits: UInt64 = 0
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
    body(&accounts[space, default: Account(price: price)])
    accounts[space]?.lastUse = tick
  }

  public mutating func prefersDirect(_ space: UInt32) -> Bool {
    accounts[space]?.isDirect ?? false
  }

  public mutating func ranTranslated(_ space: UInt32, nanoseconds: UInt64, exits: UInt64) {
    let shortest = shortestMeanRun
    let (credit, lowest, highest) = (credit, lowestCredit, highestCredit)
    change(space) {
      $0.rent &+= nanoseconds
      $0.exits &+= exits
      guard !$0.isDirect, $0.rent >= $0.price else { return }
      if $0.rent / max($0.exits, 1) >= shortest {
        $0.isDirect = true
        $0.hasPaid = false
        $0.balance = Int64(min(max($0.price / credit, lowest), highest))
      }
      $0.rent = 0
      $0.exits = 0
    }
  }

  public mutating func ranDirectly(_ space: UInt32, nanoseconds: UInt64, traps: UInt64) {
    let earned = Int64(min(nanoseconds, 1 << 40)) / gain
    let spent = Int64(min(traps, 1 << 20)) * trapCost
    let (ceiling, lowest, highest) = (ceiling, price, highestPrice)
    change(space) {
      $0.balance += earned - spent
      if $0.balance >= ceiling {
        $0.balance = ceiling
        $0.hasPaid = true
      }
      guard $0.balance < 0 else { return }
      $0.isDirect = false
      $0.rent = 0
      $0.exits = 0
      $0.price = $0.hasPaid ? lowest : min(highest, $0.price &* 2)
    }
  }
}
