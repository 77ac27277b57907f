import Bus

/// Which pages of video memory have changed since somebody asked.
struct VideoMemoryChanges {
  private static let pageShift = 12

  private var pages: [Bool]
  /// Video memory was filled with zeros, before the changes of `pages`.
  private(set) var wasCleared = true

  init(size: Int) {
    pages = [Bool](repeating: false, count: size >> Self.pageShift)
  }

  /// Notes a write to the byte at `index` (and to the three after it, if it is a multiple of four).
  @inline(__always)
  mutating func add(_ index: Int) { pages[index >> Self.pageShift] = true }

  mutating func add(_ range: Range<Int>) {
    for page in range.lowerBound >> Self.pageShift...(range.upperBound - 1) >> Self.pageShift {
      pages[page] = true
    }
  }

  mutating func clear() {
    for page in pages.indices { pages[page] = false }
    wasCleared = true
  }

  /// The changed bytes as ranges, and forgets them.
  mutating func take() -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    for page in pages.indices where pages[page] {
      pages[page] = false
      let start = page << Self.pageShift
      let end = start + 1 << Self.pageShift
      if ranges.last?.upperBound == start {
        ranges[ranges.count - 1] = ranges[ranges.count - 1].lowerBound..<end
      } else {
        ranges.append(start..<end)
      }
    }
    wasCleared = false
    return ranges
  }
}

/// What a `VideoMirror` must be told to show the same picture as a VGA: all registers, and the bytes of video
/// memory that have changed since the last update.
public struct VideoUpdate: Sendable {
  struct Registers: Sendable {
    var sequencer: [UInt8]
    var crtc: [UInt8]
    var graphics: [UInt8]
    var attribute: [UInt8]
    var dac: [UInt8]
    var dacMask: UInt8
    var miscellaneous: UInt8
    var isScreenOn: Bool
    var display: BochsDisplay
  }

  var registers: Registers
  var wasCleared: Bool
  var changes: [(offset: Int, bytes: [UInt8])]
  var cycles: UInt64
}

extension VGA {
  /// Fills video memory with zeros.
  func clearMemory() {
    memory.clear()
    changes.clear()
    isDirty = true
  }

  /// What has changed since the last call. There can be one mirror.
  public func takeUpdate() -> VideoUpdate {
    trackFramebuffer()
    let wasCleared = changes.wasCleared
    let ranges = changes.take()
    return VideoUpdate(
      registers: VideoUpdate.Registers(
        sequencer: sequencer, crtc: crtc, graphics: graphics, attribute: attribute, dac: dac,
        dacMask: dacMask, miscellaneous: miscellaneous, isScreenOn: isScreenOn, display: display),
      wasCleared: wasCleared,
      changes: ranges.map { ($0.lowerBound, memory[$0]) },
      cycles: queue.now)
  }

  /// Changes whenever the picture may have: by a write of the guest, or because something blinks.
  public var pictureNumber: UInt64 {
    generation &+ (isTextMode ? blinkPhase : 0)
  }

  /// The size in square pixels of a screen that shows the picture undistorted: scan lines that a mode repeats
  /// count as often, dots of half the clock twice.
  var naturalSize: (width: Int, height: Int) {
    if display.isEnabled { return (display.width, display.height) }
    if !isScreenOn || sequencer[1] & 0x20 != 0 { return (720, 400) }
    let dots = isTextMode && sequencer[1] & 1 == 0 ? 9 : 8
    let clocks = sequencer[1] & 8 != 0 ? 2 : 1
    return ((Int(crtc[1]) + 1) * dots * clocks, visibleLines)
  }
}

/// A second screen for a VGA that lives on another thread: it is brought up to date by values and draws the
/// picture itself, so that the machine's thread does not.
public final class VideoMirror {
  private final class Time {
    var cycles: UInt64 = 0
  }

  private let vga: VGA
  private let time: Time

  /// - Parameters:
  ///   - memorySize: bytes of video memory of the original.
  ///   - frequency: of its clock.
  public init(memorySize: Int, frequency: UInt64) {
    let time = Time()
    self.time = time
    vga = VGA(
      queue: EventQueue(frequency: frequency) { time.cycles }, memorySize: memorySize)
  }

  public func apply(_ update: VideoUpdate) {
    time.cycles = update.cycles
    if update.wasCleared { vga.clearMemory() }
    for change in update.changes where change.offset + change.bytes.count <= vga.memory.count {
      vga.memory.replace(at: change.offset, with: change.bytes)
    }
    let registers = update.registers
    vga.sequencer = registers.sequencer
    vga.crtc = registers.crtc
    vga.graphics = registers.graphics
    vga.attribute = registers.attribute
    vga.dac = registers.dac
    vga.dacMask = registers.dacMask
    vga.miscellaneous = registers.miscellaneous
    vga.isScreenOn = registers.isScreenOn
    vga.display = registers.display
    vga.isDirty = true
  }

  /// Draws the picture.
  public func render(into frame: inout VideoFrame) { vga.render(into: &frame) }

  /// The size in square pixels of a screen that shows the picture undistorted.
  public var naturalSize: (width: Int, height: Int) { vga.naturalSize }
}
