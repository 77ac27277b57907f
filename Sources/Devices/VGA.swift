import Bus

/// A standard IBM VGA with 256 KiB of planar memory (IBM PS/2 Hardware Interface Technical Reference, "Video
/// Subsystem"), extended by the Bochs display interface (`BochsDisplay`).
///
/// Ports 3B0h-3DFh. Memory: the window A0000h-BFFFFh, offsets from A0000h (`VGAMemory.swift`); pictures are
/// made in `VGARenderer.swift`. After a reset it is in text mode 3 as a BIOS leaves it, with a built-in font,
/// so that a kernel started without a firmware finds a console.
public final class VGA: PortDevice, Resettable {
  /// Bytes of the four planes together.
  static let planarSize = 0x40000

  let queue: EventQueue
  /// Video memory. Byte `address * 4 + plane` in VGA modes, linear in Bochs display modes.
  let memory: VideoMemory

  var sequencer = [UInt8](repeating: 0, count: 5)
  var crtc = [UInt8](repeating: 0, count: 25)
  var graphics = [UInt8](repeating: 0, count: 9)
  var attribute = [UInt8](repeating: 0, count: 21)
  /// Six bits per colour: red, green, blue of 256 entries.
  var dac = [UInt8](repeating: 0, count: 768)
  var dacMask: UInt8 = 0xFF
  var miscellaneous: UInt8 = 0
  var latch: (UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0)
  /// The attribute index register's bit 5: the palette is in use, the screen is on.
  var isScreenOn = true

  private var feature: UInt8 = 0
  private var sequencerIndex: UInt8 = 0
  private var crtcIndex: UInt8 = 0
  private var graphicsIndex: UInt8 = 0
  private var attributeIndex: UInt8 = 0
  private var attributeExpectsData = false
  private var dacReadIndex = 0
  private var dacWriteIndex = 0
  private var dacIsReading = false

  /// Set by everything that may change the picture; cleared by the renderer.
  var isDirty = true {
    didSet { if isDirty { generation &+= 1 } }
  }
  /// Changes whenever registers or video memory may have changed the picture.
  public private(set) var generation: UInt64 = 0
  /// Called to have `framebufferWritten` called for the next write to each part of memory that the processor
  /// writes without the card.
  public var trackWrites: () -> Void = {}
  /// Whether the processor may have written parts of memory since it was last tracked.
  public private(set) var hasUntrackedWrites = false
  /// Which parts of `memory` differ from `mirrored`.
  var changes: VideoMemoryChanges
  var mirrored: VideoMemory?
  var follower = WriteFollower()
  /// The Bochs display interface.
  var display = BochsDisplay()
  var rendered = RenderedState()

  private static let sequencerMasks: [UInt8] = [0x03, 0x3D, 0x0F, 0x3F, 0x0E]
  private static let graphicsMasks: [UInt8] = [
    0x0F, 0x0F, 0x0F, 0x1F, 0x03, 0x7B, 0x0F, 0x0F, 0xFF,
  ]
  private static let attributeMasks: [UInt8] =
    [UInt8](repeating: 0x3F, count: 16) + [0xEF, 0xFF, 0x3F, 0x0F, 0x0F]

  /// - Parameters:
  ///   - queue: the virtual clock.
  ///   - memorySize: bytes of video memory for the Bochs display modes, at least 256 KiB.
  public convenience init(queue: EventQueue, memorySize: Int = 16 << 20) {
    self.init(
      queue: queue, memory: VideoMemory(count: max(memorySize & ~0xFFFF, Self.planarSize)))
  }

  /// - Parameters:
  ///   - queue: the virtual clock.
  ///   - memory: video memory, at least 256 KiB and a multiple of 64 KiB.
  public init(queue: EventQueue, memory: VideoMemory) {
    precondition(memory.count >= Self.planarSize && memory.count % 0x10000 == 0)
    self.queue = queue
    self.memory = memory
    changes = VideoMemoryChanges(size: memory.count)
    reset()
  }

  /// A second screen that shows what another VGA's memory holds; its registers are given to it.
  init(showing memory: VideoMemory, queue: EventQueue) {
    self.queue = queue
    self.memory = memory
    changes = VideoMemoryChanges(size: 0)
  }

  public func reset() {
    feature = 0
    sequencerIndex = 0
    crtcIndex = 0
    graphicsIndex = 0
    attributeIndex = 0x20
    attributeExpectsData = false
    isScreenOn = true
    dacReadIndex = 0
    dacWriteIndex = 0
    dacIsReading = false
    dacMask = 0xFF
    latch = (0, 0, 0, 0)
    display = BochsDisplay()
    setTextMode3()
  }

  // MARK: Memory that the processor writes without the card

  /// The processor begins to write a part of video memory; further writes are not reported until it is
  /// tracked again.
  public func framebufferWritten(_ range: Range<Int>) {
    changes.open(range.clamped(to: 0..<memory.count))
    hasUntrackedWrites = true
    isDirty = true
  }

  /// Begins to track writes again; what was written before counts as seen by the caller.
  func trackFramebuffer() {
    guard hasUntrackedWrites else { return }
    hasUntrackedWrites = false
    changes.close()
    trackWrites()
  }

  /// Makes `generation` count the processor's own writes up to now as far as they can change the text.
  public func noteUntrackedText() {
    guard hasUntrackedWrites, isTextMode else { return }
    trackFramebuffer()
    isDirty = true
  }

  // MARK: Timing

  /// Vertical total, display end, retrace start and end, blanking in lines; characters per line.
  struct Timing {
    var dotClock: UInt64
    var dotsPerLine: UInt64
    var visibleDots: UInt64
    var lines: UInt64
    var visibleLines: UInt64
    var retraceStart: UInt64
    var retraceLines: UInt64

    var dotsPerFrame: UInt64 { dotsPerLine * lines }
  }

  var timing: Timing {
    let overflow = UInt64(crtc[7])
    let dots: UInt64 = sequencer[1] & 1 != 0 ? 8 : 9
    var clock: UInt64 = miscellaneous & 0x0C == 0x04 ? 28_322_000 : 25_175_000
    if sequencer[1] & 8 != 0 { clock /= 2 }
    let start = UInt64(crtc[0x10]) | (overflow & 4) << 6 | (overflow & 0x80) << 2
    let length = (UInt64(crtc[0x11] & 15) &- start) & 15
    return Timing(
      dotClock: clock, dotsPerLine: (UInt64(crtc[0]) + 5) * dots,
      visibleDots: (UInt64(crtc[1]) + 1) * dots,
      lines: (UInt64(crtc[6]) | (overflow & 1) << 8 | (overflow & 0x20) << 4) + 2,
      visibleLines: UInt64(visibleLines), retraceStart: start,
      retraceLines: length == 0 ? 16 : length)
  }

  /// Scan lines with picture.
  var visibleLines: Int {
    (Int(crtc[0x12]) | Int(crtc[7] & 2) << 7 | Int(crtc[7] & 0x40) << 3) + 1
  }

  /// Frames since time zero, for blinking.
  var frameNumber: UInt64 {
    let timing = timing
    return queue.ticks(hertz: timing.dotClock) / timing.dotsPerFrame
  }

  /// Input status 1: bit 0 = no picture now, bit 3 = vertical retrace.
  private var inputStatus1: UInt8 {
    let timing = timing
    let position = queue.ticks(hertz: timing.dotClock) % timing.dotsPerFrame
    let line = position / timing.dotsPerLine
    let isVisible =
      line < timing.visibleLines && position % timing.dotsPerLine < timing.visibleDots
    let retraces =
      line >= timing.retraceStart && line < timing.retraceStart + timing.retraceLines
    return (isVisible ? 0 : 1) | (retraces ? 8 : 0)
  }

  // MARK: Ports

  /// The CRTC and status registers answer at 3D0h-3DFh in colour, at 3B0h-3BFh in monochrome.
  private func isDecoded(_ offset: UInt16) -> Bool {
    let isColor = miscellaneous & 1 != 0
    return (0x10..<0x20).contains(offset) || (offset >= 0x20) == isColor
  }

  public func readPort(offset: UInt16, width: AccessWidth) -> UInt32 {
    guard width == .byte else { return readBytes(offset: offset, width: width) }
    guard offset < 0x30, isDecoded(offset) else { return 0xFF }
    return UInt32(readRegister(offset))
  }

  private func readRegister(_ offset: UInt16) -> UInt8 {
    switch offset {
    case 0x04, 0x24: return crtcIndex
    case 0x05, 0x25: return crtcIndex < 25 ? crtc[Int(crtcIndex)] : 0
    case 0x0A, 0x2A:
      attributeExpectsData = false
      return inputStatus1
    case 0x10: return attributeExpectsData ? 0 : attributeIndex
    case 0x11: return attributeIndex & 31 < 21 ? attribute[Int(attributeIndex & 31)] : 0
    case 0x12: return senseSwitch
    case 0x13: return 0x01  // video subsystem enabled
    case 0x14: return sequencerIndex
    case 0x15: return sequencerIndex < 5 ? sequencer[Int(sequencerIndex)] : 0
    case 0x16: return dacMask
    case 0x17: return dacIsReading ? 3 : 0
    case 0x18: return UInt8(truncatingIfNeeded: dacWriteIndex / 3)
    case 0x19:
      let value = dac[dacReadIndex]
      dacReadIndex = (dacReadIndex + 1) % 768
      return value
    case 0x1A: return feature
    case 0x1C: return miscellaneous
    case 0x1E: return graphicsIndex
    case 0x1F: return graphicsIndex < 9 ? graphics[Int(graphicsIndex)] : 0
    default: return 0xFF
    }
  }

  /// Input status 0: the monitor pulls the sense line for bright colours, which is how a colour monitor is
  /// told from a monochrome one.
  private var senseSwitch: UInt8 { dac[0] &+ dac[1] &+ dac[2] >= 0x35 ? 0x00 : 0x10 }

  public func writePort(offset: UInt16, width: AccessWidth, value: UInt32) {
    guard width == .byte else { return writeBytes(offset: offset, width: width, value: value) }
    guard offset < 0x30, isDecoded(offset) else { return }
    writeRegister(offset, UInt8(truncatingIfNeeded: value))
  }

  private func writeRegister(_ offset: UInt16, _ value: UInt8) {
    switch offset {
    case 0x04, 0x24: crtcIndex = value & 0x3F
    case 0x05, 0x25: writeCRTC(value)
    case 0x0A, 0x2A: feature = value & 0x0B
    case 0x10, 0x11: writeAttribute(value)
    case 0x12:
      miscellaneous = value & 0xEF
      isDirty = true
    case 0x14: sequencerIndex = value & 0x07
    case 0x15:
      guard sequencerIndex < 5 else { return }
      sequencer[Int(sequencerIndex)] = value & Self.sequencerMasks[Int(sequencerIndex)]
      isDirty = true
    case 0x16:
      dacMask = value
      isDirty = true
    case 0x17:
      dacReadIndex = Int(value) * 3
      dacIsReading = true
    case 0x18:
      dacWriteIndex = Int(value) * 3
      dacIsReading = false
    case 0x19:
      dac[dacWriteIndex] = display.has8BitDAC ? value : value & 0x3F
      dacWriteIndex = (dacWriteIndex + 1) % 768
      isDirty = true
    case 0x1E: graphicsIndex = value & 0x0F
    case 0x1F:
      guard graphicsIndex < 9 else { return }
      graphics[Int(graphicsIndex)] = value & Self.graphicsMasks[Int(graphicsIndex)]
      isDirty = true
    default: break
    }
  }

  private func writeCRTC(_ value: UInt8) {
    let index = Int(crtcIndex)
    guard index < 25 else { return }
    isDirty = true
    if index < 8 && crtc[0x11] & 0x80 != 0 {
      // Write protection spares the line-compare bit.
      if index == 7 { crtc[7] = crtc[7] & ~0x10 | value & 0x10 }
    } else {
      crtc[index] = value
    }
  }

  private func writeAttribute(_ value: UInt8) {
    isDirty = true
    if attributeExpectsData {
      let index = Int(attributeIndex & 31)
      // The palette itself can be written only while it is not in use.
      if index < 21 && (index >= 16 || attributeIndex & 0x20 == 0) {
        attribute[index] = value & Self.attributeMasks[index]
      }
    } else {
      attributeIndex = value & 0x3F
      isScreenOn = value & 0x20 != 0
    }
    attributeExpectsData.toggle()
  }
}

// MARK: Text mode 3

extension VGA {
  /// What a VGA BIOS leaves after setting mode 3: 80x25, 9x16 characters, blank screen, cursor at the top.
  private func setTextMode3() {
    miscellaneous = 0x67
    sequencer = [0x03, 0x00, 0x03, 0x00, 0x02]
    crtc = [
      0x5F, 0x4F, 0x50, 0x82, 0x55, 0x81, 0xBF, 0x1F, 0x00, 0x4F, 0x0D, 0x0E, 0x00, 0x00, 0x00,
      0x00,
      0x9C, 0x8E, 0x8F, 0x28, 0x1F, 0x96, 0xB9, 0xA3, 0xFF,
    ]
    graphics = [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0E, 0x00, 0xFF]
    attribute = [
      0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E,
      0x3F,
      0x0C, 0x00, 0x0F, 0x08, 0x00,
    ]
    dac = [UInt8](repeating: 0, count: 768)
    for color in 0..<64 {
      for (component, bits) in [(0x04, 0x20), (0x02, 0x10), (0x01, 0x08)].enumerated() {
        dac[color * 3 + component] =
          (color & bits.0 != 0 ? 0x2A : 0) + (color & bits.1 != 0 ? 0x15 : 0)
      }
    }
    clearMemory()
    for cell in 0..<0x4000 {
      memory[cell * 8] = 0x20
      memory[cell * 8 + 1] = 0x07
    }
    for character in 0..<256 {
      for (row, bits) in VGAFont.glyph(UInt8(character)).enumerated() {
        memory[(character * 32 + row) * 4 + 2] = bits
      }
    }
    changes.add(0..<Self.planarSize)
    isDirty = true
  }
}
