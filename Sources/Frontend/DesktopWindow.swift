import CSDL2
import Devices
import Host
import Machine

/// The window on the desktop. It runs on the main thread, as SDL wants it, up to sixty times a second: looks at the
/// user's input, takes what the machine's thread has published, draws what has changed. While nothing changes it
/// sleeps. It never waits for the machine to be done with anything, and the machine never for it.
public final class DesktopWindow {
  /// Nanoseconds from one picture to the next.
  static let frameTime: UInt64 = 1_000_000_000 / 60
  /// Milliseconds from one look at the counters to the next at most.
  static let restTime: Int32 = 100

  var options: WindowOptions
  let panel: FrontPanel
  private var keyboard: KeyboardInput

  // What is shown.
  var mirror: VideoMirror?
  var frame = VideoFrame()
  var shown = VideoFrame()
  /// Lines of `frame` that have been drawn since `shown` was brought up to date.
  var newLines = 0..<0
  var natural = (width: 720, height: 400)
  var history = History()
  var status = FrontPanel.Status()
  var layout = Layout()
  var columns = AxisScale(from: 0, to: 0)
  var rows = AxisScale(from: 0, to: 0)
  var lines = LineCache()
  var bar = StatusBar.Contents()
  private var title = ""
  var changed: [Rectangle] = []
  var needsDrawing = true
  var needsPanels = false

  // What the user has chosen.
  var showsBar = true
  var showsGraphs = false
  var showsHelp = false
  var wantsWholeNumbers = false
  var isFullscreen: Bool
  /// The user has given the window a size; it is not changed for the guest's modes then.
  private var isSizedByUser = false
  private var expectedSize: (width: Int, height: Int)?

  // The mouse.
  private(set) var isCaptured = false
  private var buttons: UInt8 = 0
  /// Movements not sent yet.
  private var motion = (dx: 0, dy: 0, wheel: 0)

  /// Where the pointer is, in window coordinates.
  private var place = (x: -1, y: -1)
  private var placeIsNew = false
  private var hidesPointer = false

  var message = ""
  private var messageFrames = 0
  private var tone: UInt32 = 0
  /// Whether the last picture was the same as the one before.
  private var isAtRest = false

  /// Opens the window.
  /// - Throws: why there can be none.
  public init(options: WindowOptions, panel: FrontPanel) throws(WindowError) {
    self.options = options
    self.panel = panel
    keyboard = KeyboardInput(releaseKeys: options.releaseKeys)
    isFullscreen = options.isFullscreen
    let size = natural
    if let problem = sdl_open(
      "Switchback", Int32(size.width), Int32(size.height + StatusBar.height), isFullscreen)
    {
      throw WindowError(description: String(cString: problem))
    }
    resizeForGuest()
    sdl_show_window()
    panel.wakeWindow(by: { sdl_wake() })
  }

  deinit {
    panel.wakeWindow(by: nil)
    sdl_close()
  }

  /// Shows the machine until `isOver`.
  public func show(until isOver: () -> Bool) {
    var next = HostClock.nanoseconds
    while !isOver() {
      var event = sdl_next_event()
      // A storm of events must not keep the picture from being drawn.
      var count = 0
      while event.kind != HOST_NONE && count < 1000 {
        handle(event)
        event = sdl_next_event()
        count += 1
      }
      sendMotion()
      tick()
      // A picture that took too long is not caught up with.
      next = max(next &+ Self.frameTime, HostClock.nanoseconds)
      HostClock.sleep(until: next)
      if isAtRest { panel.awaitNews(toneHertz: tone) { sdl_wait(Self.restTime) } }
    }
    if tone != 0 { _ = sdl_tone(0) }
  }

  /// One picture.
  private func tick() {
    if messageFrames > 0 {
      messageFrames -= 1
      if messageFrames == 0 { say("", frames: 0) }
    }
    if panel.toneHertz != tone {
      tone = panel.toneHertz
      _ = sdl_tone(tone)
    }
    takePicture()
    status = panel.status
    if history.add(status) {
      needsPanels = needsPanels || showsGraphs
      updateTitle()
    }
    updatePointer()
    isAtRest = !draw() && messageFrames == 0
  }

  private func takePicture() {
    let isNew: Void? = panel.showUpdate { update in
      let mirror = mirror ?? VideoMirror(update, frequency: panel.status.frequency)
      self.mirror = mirror
      mirror.apply(update)
      let lines = mirror.render(into: &frame)
      if newLines.isEmpty {
        newLines = lines
      } else if !lines.isEmpty {
        newLines =
          min(newLines.lowerBound, lines.lowerBound)..<max(newLines.upperBound, lines.upperBound)
      }
    }
    guard isNew != nil, let size = mirror?.naturalSize else { return }
    if size != natural {
      natural = size
      needsDrawing = true
      if !isSizedByUser { resizeForGuest() }
    }
  }

  // MARK: Size

  /// Gives the window the size that suits the guest's mode.
  private func resizeForGuest() {
    guard !isFullscreen else { return }
    var width: Int32 = 0
    var height: Int32 = 0
    sdl_screen_size(&width, &height)
    let density = sdl_density()
    let barHeight = showsBar ? StatusBar.height * barScale(density) : 0
    // Some room for the window's frame.
    let screen = (
      width: Int(Double(width) * density), height: Int(Double(height) * density) - barHeight - 32
    )
    if options.scale == nil {
      options.scale = Placement.comfortableScale(natural: natural, screen: screen)
    }
    let scale = Placement.scale(wanted: options.scale ?? 1, natural: natural, screen: screen)
    let size = (
      width: Int((Double(natural.width) * scale).rounded()),
      height: Int((Double(natural.height) * scale).rounded()) + barHeight
    )
    expectedSize = size
    sdl_set_size(Int32(size.width), Int32(size.height))
    needsDrawing = true
  }

  /// Pixels per dot of the bar's text.
  func barScale(_ density: Double) -> Int { max(1, Int(density.rounded())) }

  private func noteSize() {
    needsDrawing = true
    let pixels = sdl_pixels()
    guard !isFullscreen, pixels.width > 0, let expectedSize else { return }
    let isExpected =
      abs(Int(pixels.width) - expectedSize.width) <= 2
      && abs(Int(pixels.height) - expectedSize.height) <= 2
    if !isExpected { isSizedByUser = true }
  }

  // MARK: Input

  private func handle(_ event: HostEvent) {
    switch event.kind {
    case HOST_KEY_PRESSED: keyboard.press(usage: Int(event.code)).forEach(perform)
    case HOST_KEY_RELEASED: keyboard.release(usage: Int(event.code)).forEach(perform)
    case HOST_MOUSE_MOVED:
      guard isCaptured else {
        place = (Int(event.x), Int(event.y))
        placeIsNew = true
        break
      }
      motion.dx += Int(event.dx)
      motion.dy += Int(event.dy)
    case HOST_BUTTON_PRESSED:
      // The click that captures the mouse is not the guest's.
      if isCaptured || status.takesPlaces { setButton(event.code, true) } else { capture(true) }
    case HOST_BUTTON_RELEASED: setButton(event.code, false)
    case HOST_WHEEL: if isCaptured || status.takesPlaces { motion.wheel += Int(event.dy) }
    case HOST_FOCUS_LOST:
      keyboard.loseFocus().forEach(perform)
      capture(false)
    case HOST_RESIZED: noteSize()
    case HOST_EXPOSED: needsDrawing = true
    case HOST_CLOSED: perform(.close)
    default: break
    }
  }

  private func setButton(_ number: Int32, _ isDown: Bool) {
    let bits: [Int32: UInt8] = [1: 1, 2: 4, 3: 2, 4: 8, 5: 16]
    guard let bit = bits[number], isDown || buttons & bit != 0 else { return }
    buttons = isDown ? buttons | bit : buttons & ~bit
    // Clicks and movements reach the guest in their order.
    sendMotion(always: true)
  }

  private func sendMotion(always: Bool = false) {
    if status.takesPlaces && !isCaptured { return sendPlace(always: always) }
    guard always || motion != (0, 0, 0) else { return }
    panel.send(.mouse(dx: motion.dx, dy: motion.dy, wheel: motion.wheel, buttons: buttons))
    motion = (0, 0, 0)
  }

  /// Tells a guest that takes it where the pointer is on its screen.
  private func sendPlace(always: Bool) {
    guard always || placeIsNew || motion.wheel != 0 else { return }
    placeIsNew = false
    let density = sdl_density()
    let picture = layout.picture
    guard !picture.isEmpty else { return }
    func part(_ value: Int, _ start: Int, _ length: Int) -> UInt16 {
      let offset = Int(Double(value) * density) - start
      return UInt16(clamping: offset * 65535 / max(length - 1, 1))
    }
    panel.send(
      .pointer(
        x: part(place.x, picture.x, picture.width), y: part(place.y, picture.y, picture.height),
        wheel: motion.wheel, buttons: buttons))
    motion = (0, 0, 0)
  }

  /// Hides the host's pointer over the picture of a guest that shows its own.
  private func updatePointer() {
    let density = sdl_density()
    let isOver = !Rectangle(
      x: Int(Double(place.x) * density), y: Int(Double(place.y) * density), width: 1, height: 1
    ).intersection(layout.picture).isEmpty
    let hides = status.takesPlaces && isOver
    guard hides != hidesPointer else { return }
    hidesPointer = hides
    sdl_show_pointer(!hides)
  }

  private func capture(_ on: Bool) {
    guard on != isCaptured else { return }
    isCaptured = on
    sdl_capture_mouse(on)
    if !on && buttons != 0 {
      buttons = 0
      sendMotion(always: true)
    }
    if on && (isFullscreen || !showsBar) { say("\(options.releaseKeys) releases the mouse") }
    updateTitle()
  }

  private func perform(_ action: KeyboardInput.Action) {
    switch action {
    case .press(let key): panel.send(.press(key))
    case .release(let key): panel.send(.release(key))
    case .shortcut(let shortcut): perform(shortcut)
    }
  }

  private func perform(_ shortcut: Shortcut) {
    switch shortcut {
    case .release: capture(false)
    case .fullscreen:
      isFullscreen.toggle()
      sdl_set_fullscreen(isFullscreen)
      needsDrawing = true
      if isFullscreen {
        say("\(options.releaseKeys)+F leaves full screen")
      } else if !isSizedByUser {
        resizeForGuest()
      }
    case .overlay:
      showsGraphs.toggle()
      needsDrawing = true
    case .help:
      showsHelp.toggle()
      needsDrawing = true
    case .statusBar:
      showsBar.toggle()
      if isSizedByUser { needsDrawing = true } else { resizeForGuest() }
    case .integerScaling:
      wantsWholeNumbers.toggle()
      needsDrawing = true
      say(wantsWholeNumbers ? "whole-number scaling" : "scaled to the window")
    case .pause: panel.send(.pause(status.state == .running))
    case .reset:
      panel.send(.reset)
      say("reset")
    case .powerButton:
      panel.send(.powerButton)
      say("power button")
    case .nextEngine: nextEngine()
    case .screenshot: screenshot()
    case .paste: paste()
    case .controlAltDelete:
      for key in [Key.leftControl, .leftAlt, .delete] { panel.send(.press(key)) }
      for key in [Key.delete, .leftAlt, .leftControl] { panel.send(.release(key)) }
    case .close:
      panel.send(.end(.closed))
      say("ending")
    case .scale1: resize(1)
    case .scale2: resize(2)
    case .scale3: resize(3)
    case .scale4: resize(4)
    }
  }

  private func resize(_ scale: Double) {
    options.scale = scale
    isSizedByUser = false
    resizeForGuest()
  }

  private func nextEngine() {
    guard let index = options.engines.firstIndex(of: status.engine) else { return }
    let name = options.engines[(index + 1) % options.engines.count]
    panel.send(.engine(name))
    say("engine: \(name)")
  }

  private func screenshot() {
    guard frame.width > 0 else { return }
    say(
      options.saveScreenshot(
        PNG.encode(width: frame.width, height: frame.height, pixels: frame.pixels)))
  }

  private func paste() {
    guard let text = clipboardText() else { return say("the clipboard has no text") }
    panel.send(.type(text))
    let lacking = text.count { options.layout.strokes(typing: $0) == nil }
    say(
      "typing \(text.count - lacking) characters"
        + (lacking > 0 ? ", \(lacking) not on the \(options.layout) keyboard" : ""))
  }

  // MARK: Telling

  /// Shows a message for a few seconds.
  func say(_ text: String, frames: Int = 180) {
    message = text
    messageFrames = frames
    needsDrawing = needsDrawing || isFullscreen || !showsBar
  }

  private func updateTitle() {
    var parts = [status.state == .running ? status.engine : StatusBar.text(status.state)]
    if isCaptured { parts.append("\(options.releaseKeys) releases the mouse") }
    let name = options.guest.isEmpty ? "Switchback" : "\(options.guest) - Switchback"
    let text = "\(name) (\(parts.joined(separator: ", ")))"
    guard text != title else { return }
    title = text
    sdl_set_title(text)
  }
}
