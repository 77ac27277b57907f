import Testing

@testable import Bus

@Test func eventsRunInOrderOfTimeThenOfScheduling() {
  var clock: UInt64 = 0
  var log: [Int] = []
  let queue = EventQueue(frequency: 1000) { clock }
  queue.schedule(at: 20) { log.append(3) }
  queue.schedule(at: 10) { log.append(1) }
  let cancelled = queue.schedule(at: 10) { log.append(99) }
  queue.schedule(at: 10) { log.append(2) }
  queue.cancel(cancelled)
  #expect(queue.nextTime == 10)
  clock = 10
  queue.runDue()
  #expect(log == [1, 2])
  clock = 25
  queue.runDue()
  #expect(log == [1, 2, 3])
  #expect(queue.nextTime == .max)
}

@Test func ticksAndCyclesAreInverse() {
  var clock: UInt64 = 0
  let queue = EventQueue(frequency: 100_000_000) { clock }
  for tick in [0, 1, 2, 1_193_182, 5_000_000_000] as [UInt64] {
    clock = queue.cycle(ofTick: tick, hertz: 1_193_182)
    #expect(queue.ticks(hertz: 1_193_182) == tick)
    if clock > 0 {
      clock -= 1
      #expect(queue.ticks(hertz: 1_193_182) == tick - 1)
    }
  }
}
