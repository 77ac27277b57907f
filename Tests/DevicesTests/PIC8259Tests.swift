import Bus
import Testing

@testable import Devices

/// A pair set up as the PC firmware does: vectors 08h and 70h, nothing masked.
private func makePair(icw4: UInt8 = 0x01) -> PICPair {
  let pair = PICPair()
  for (chip, base, cascade) in [(pair.primary, UInt8(0x08), UInt8(4)), (pair.secondary, 0x70, 2)] {
    chip.write(0, 0x11)
    chip.write(1, base)
    chip.write(1, cascade)
    chip.write(1, icw4)
    chip.write(1, 0)
  }
  return pair
}

@Test func picAcknowledgesByPriorityAndBlocksLowerUntilEOI() {
  let pair = makePair()
  pair.setLine(4, asserted: true)
  pair.setLine(1, asserted: true)
  #expect(pair.interruptRequest)
  #expect(pair.acknowledge() == 0x09)
  #expect(!pair.interruptRequest)
  pair.setLine(0, asserted: true)
  #expect(pair.acknowledge() == 0x08)
  pair.primary.write(0, 0x20)
  #expect(!pair.interruptRequest)
  pair.primary.write(0, 0x20)
  #expect(pair.acknowledge() == 0x0C)
  #expect(pair.acknowledged[4] == 1)
}

@Test func picCascadesTheSecondaryAndSeesItsNextRequest() {
  let pair = makePair()
  pair.setLine(12, asserted: true)
  #expect(pair.acknowledge() == 0x74)
  // Higher than 12 on the secondary, but blocked by line 2 on the primary.
  pair.setLine(8, asserted: true)
  #expect(!pair.interruptRequest)
  pair.secondary.write(0, 0x20)
  pair.primary.write(0, 0x20)
  #expect(pair.interruptRequest)
  #expect(pair.acknowledge() == 0x70)
  #expect(pair.secondary.inService == 0x01)
  #expect(pair.primary.inService == 0x04)
}

@Test func picSpecialFullyNestedModeLetsAHigherSecondaryLineThrough() {
  let pair = makePair(icw4: 0x11)
  pair.setLine(12, asserted: true)
  #expect(pair.acknowledge() == 0x74)
  pair.setLine(8, asserted: true)
  #expect(pair.interruptRequest)
  #expect(pair.acknowledge() == 0x70)
}

@Test func picEdgeNeedsAnEdgeAndLevelDoesNot() {
  let pair = makePair()
  pair.setLine(5, asserted: true)
  #expect(pair.acknowledge() == 0x0D)
  pair.primary.write(0, 0x20)
  #expect(!pair.interruptRequest)

  pair.edgeLevelControl.write(0, 0xFF)
  #expect(pair.edgeLevelControl.read(0) == 0xF8)
  pair.edgeLevelControl.write(1, 0xFF)
  #expect(pair.edgeLevelControl.read(1) == 0xDE)
  #expect(pair.interruptRequest)  // the line is still high
  #expect(pair.acknowledge() == 0x0D)
  pair.primary.write(0, 0x20)
  #expect(pair.interruptRequest)
  pair.setLine(5, asserted: false)
  #expect(!pair.interruptRequest)
}

@Test func picGivesSpuriousVectorsWhenTheRequestHasGone() {
  let pair = makePair()
  #expect(pair.acknowledge() == 0x0F)
  #expect(pair.primary.inService == 0)
  #expect(pair.spurious == 1)
  // The secondary's request goes away in the middle of the cascade's acknowledge.
  pair.primary.setLine(2, asserted: true)
  #expect(pair.acknowledge() == 0x77)
  #expect(pair.primary.inService == 0x04)
  #expect(pair.secondary.inService == 0)
}

@Test func picRotatesAndSetsPriorities() {
  let pair = makePair()
  pair.primary.write(0, 0xC3)  // lowest: 3, so 4 is the highest
  pair.setLine(1, asserted: true)
  pair.setLine(4, asserted: true)
  #expect(pair.acknowledge() == 0x0C)
  pair.primary.write(0, 0xA0)  // rotate on non-specific EOI: 4 becomes the lowest
  #expect(pair.acknowledge() == 0x09)
  pair.primary.write(0, 0x61)  // specific EOI
  #expect(pair.primary.inService == 0)
}

@Test func picSpecialMaskModeEnablesLowerLevels() {
  let pair = makePair()
  pair.setLine(1, asserted: true)
  #expect(pair.acknowledge() == 0x09)
  pair.setLine(6, asserted: true)
  #expect(!pair.interruptRequest)
  pair.primary.write(1, 0x02)
  #expect(!pair.interruptRequest)
  pair.primary.write(0, 0x68)
  #expect(pair.interruptRequest)
  #expect(pair.acknowledge() == 0x0E)
  pair.primary.write(0, 0x20)  // leaves the masked level 1 in service
  #expect(pair.primary.inService == 0x02)
}

@Test func picAutomaticEOIPollAndRegisterReads() {
  let pair = makePair(icw4: 0x03)
  pair.setLine(3, asserted: true)
  #expect(pair.primary.read(0) == 0x08)
  #expect(pair.acknowledge() == 0x0B)
  #expect(pair.primary.inService == 0)

  let polled = makePair()
  polled.setLine(6, asserted: true)
  polled.primary.write(0, 0x0C)
  #expect(polled.primary.read(0) == 0x86)
  polled.primary.write(0, 0x0B)
  #expect(polled.primary.read(0) == 0x40)
  polled.primary.write(0, 0x0A)
  #expect(polled.primary.read(0) == 0x00)
  polled.primary.write(1, 0xA5)
  #expect(polled.primary.read(1) == 0xA5)
  polled.primary.write(0, 0x0C)
  #expect(polled.primary.read(0) & 0x80 == 0)
}

@Test func picReportsEveryChangeOfTheRequest() {
  let pair = makePair()
  var log: [Bool] = []
  pair.interruptRequestChanged = { log.append($0) }
  pair.setLine(10, asserted: true)
  pair.secondary.write(1, 0x04)
  pair.secondary.write(1, 0x00)
  _ = pair.acknowledge()
  #expect(log == [true, false, true, false])
}
