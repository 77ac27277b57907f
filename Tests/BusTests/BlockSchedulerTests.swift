import Testing

@testable import Bus

/// How long transfers take in virtual time, on a host that is slow.
@Suite struct BlockSchedulerTests {
  /// A transfer that the host finishes when told so.
  private final class SlowTransfer: BlockTransfer {
    var isFinished = false
    private(set) var waits = 0
    func wait() -> BlockResult {
      waits += 1
      isFinished = true
      return .done([])
    }
  }

  private final class Clock {
    var cycles: UInt64 = 0
    private(set) lazy var queue = EventQueue(frequency: 1_000_000_000) { [unowned self] in cycles }

    func advance(microseconds: UInt64) {
      for _ in 0..<microseconds {
        cycles += 1000
        queue.runDue()
      }
    }
  }

  /// Where virtual time follows the host's, the guest goes on while a transfer is not finished.
  @Test func aSlowHostDoesNotHoldTheGuestUp() {
    let clock = Clock()
    let scheduler = BlockScheduler(queue: clock.queue, waitsForHost: false)
    let transfer = SlowTransfer()
    var results: [BlockResult] = []
    var ticks = 0
    scheduler.complete(transfer, count: 512) { results.append($0) }
    for time in 1...100 as ClosedRange<UInt64> {
      clock.queue.schedule(at: time * 1_000_000) { ticks += 1 }
    }
    clock.advance(microseconds: 50_000)
    #expect(results.isEmpty && transfer.waits == 0 && ticks == 50)
    transfer.isFinished = true
    clock.advance(microseconds: 200)
    #expect(results == [.done([])])
    clock.advance(microseconds: 1000)
    #expect(results.count == 1 && clock.cycles == 51_200_000)
  }

  /// Where cycles are counted, a transfer takes the same virtual time however slow the host is.
  @Test(arguments: [(512, 25_256), (1 << 20, 549_288)])
  func virtualTimeDoesNotDependOnTheHost(count: Int, nanoseconds: UInt64) {
    for isFinished in [false, true] {
      let clock = Clock()
      let transfer = SlowTransfer()
      transfer.isFinished = isFinished
      var end: UInt64 = 0
      BlockScheduler(queue: clock.queue, waitsForHost: true).complete(transfer, count: count) { _ in
        end = clock.cycles
      }
      #expect(clock.queue.nextTime == nanoseconds)
      clock.advance(microseconds: 1000)
      #expect(end == (nanoseconds + 999) / 1000 * 1000 && transfer.waits == 1)
    }
  }
}
