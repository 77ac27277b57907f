import Bus

/// Which parts of video memory have changed since somebody asked.
struct VideoMemoryChanges {
  private static let pageShift = 12

  private var pages: [Bool]
  /// Pages that the processor writes as it likes until it is tracked again.
  private var open: [Bool]
  /// Video memory was filled with zeros, before all other changes.
  private(set) var wasCleared = true

  init(size: Int) {
    pages = [Bool](repeating: false, count: size >> Self.pageShift)
    open = pages
  }

  /// Notes a write to the byte at `index` (and to the three after it, if it is a multiple of four).
  @inline(__always)
  mutating func add(_ index: Int) { pages[index >> Self.pageShift] = true }

  mutating func add(_ range: Range<Int>) { Self.set(range, in: &pages) }

  /// The processor has begun to write this part and goes on.
  mutating func open(_ range: Range<Int>) { Self.set(range, in: &open) }

  /// What was open is tracked again.
  mutating func close() {
    for page in open.indices where open[page] {
      open[page] = false
      pages[page] = true
    }
  }

  mutating func clear() {
    for page in pages.indices { pages[page] = false }
    wasCleared = true
  }

  private static func set(_ range: Range<Int>, in flags: inout [Bool]) {
    guard !range.isEmpty else { return }
    for page in range.lowerBound >> pageShift...(range.upperBound - 1) >> pageShift {
      flags[page] = true
    }
  }

  /// Forgets the changes and gives the changed bytes as ranges, of open parts those that are in sight.
  mutating func take(visible: Range<Int>) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    for page in pages.indices where pages[page] || open[page] {
      let start = page << Self.pageShift
      let end = start + 1 << Self.pageShift
      guard pages[page] || visible.overlaps(start..<end) else { continue }
      pages[page] = false
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

/// What a `VideoMirror` must be told to show the same picture as a VGA: all registers, and a copy of video memory that stays
/// as it is until the next update is made.
public struct VideoUpdate: Sendable {
  struct Registers: Sendable, Equatable {
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
  var memory: VideoMemory
  /// The bytes of `memory` that differ from those of the update before; nil if all may.
  var changes: [Range<Int>]?
  var cycles: UInt64
}

/// When to track the processor's writes again. Tracking costs the guest a fault for each 64 KiB that it writes, and
/// mapping all the pages again, so a picture that is written all the time is tracked at longer and longer intervals and
/// copied as a whole in between.
struct WriteFollower {
  private static let mostUpdates = 8
  /// Nanoseconds after tracking within which a write means that the picture is written all the time.
  private static let busy: UInt64 = 50_000_000

  /// Updates to give between two trackings, and those that are left.
  private var interval = 0
  private var left = 0
  private var tracked: UInt64?

  /// Asked for each update that finds writes, at a time in nanoseconds.
  mutating func shouldTrack(at now: UInt64) -> Bool {
    if left > 0 {
      left -= 1
    } else {
      let isBusy = tracked.map { now &- $0 < Self.busy } ?? false
      interval = isBusy ? min(max(interval * 2, 1), Self.mostUpdates) : 0
      left = interval
    }
    guard left == 0 else { return false }
    tracked = now
    return true
  }
}

extension VGA {
  /// Fills video memory with zeros.
  func clearMemory() {
    memory.clear()
    changes.clear()
    isDirty = true
  }

  /// The picture as it is now for a mirror, which must be done with the last one; call it when `pictureNumber` has changed
  /// or `hasUntrackedWrites`. The copy is made here and not by the thread that draws: cores that read and write the same
  /// lines of memory in turn wait for each other.
  public func takeUpdate() -> VideoUpdate {
    if hasUntrackedWrites, follower.shouldTrack(at: queue.nanoseconds) { trackFramebuffer() }
    let copy = mirrored ?? VideoMemory(count: memory.count)
    mirrored = copy
    let wasCleared = changes.wasCleared
    if wasCleared { copy.clear() }
    let ranges = changes.take(visible: display.isEnabled ? display.visible : 0..<memory.count)
    for range in ranges { copy.replace(range, by: memory) }
    return VideoUpdate(
      registers: registers, memory: copy, changes: wasCleared ? nil : ranges, cycles: queue.now)
  }

  /// All that the picture depends on besides memory and time.
  var registers: VideoUpdate.Registers {
    get {
      VideoUpdate.Registers(
        sequencer: sequencer, crtc: crtc, graphics: graphics, attribute: attribute, dac: dac,
        dacMask: dacMask, miscellaneous: miscellaneous, isScreenOn: isScreenOn, display: display)
    }
    set {
      sequencer = newValue.sequencer
      crtc = newValue.crtc
      graphics = newValue.graphics
      attribute = newValue.attribute
      dac = newValue.dac
      dacMask = newValue.dacMask
      miscellaneous = newValue.miscellaneous
      isScreenOn = newValue.isScreenOn
      display = newValue.display
    }
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

/// A second screen for a VGA that lives on another thread: it is brought up to date by updates and draws the picture
/// itself, so that the machine's thread does not.
public final class VideoMirror {
  private final class Time {
    var cycles: UInt64 = 0
  }

  private let vga: VGA
  private let time: Time

  /// - Parameters:
  ///   - update: of the original.
  ///   - frequency: of its clock.
  public init(_ update: VideoUpdate, frequency: UInt64) {
    let time = Time()
    self.time = time
    vga = VGA(showing: update.memory, queue: EventQueue(frequency: frequency) { time.cycles })
    apply(update)
  }

  public func apply(_ update: VideoUpdate) {
    time.cycles = update.cycles
    vga.registers = update.registers
    vga.isDirty = true
    if let changes = update.changes {
      vga.rendered.changes?.append(contentsOf: changes)
    } else {
      vga.rendered.changes = nil
    }
  }

  /// Draws what has changed since the last call, into the same frame.
  /// - Returns: the lines that were drawn.
  @discardableResult
  public func render(into frame: inout VideoFrame) -> Range<Int> {
    let lines = vga.render(into: &frame)
    vga.rendered.changes = []
    return lines
  }

  /// The size in square pixels of a screen that shows the picture undistorted.
  public var naturalSize: (width: Int, height: Int) { vga.naturalSize }
}
