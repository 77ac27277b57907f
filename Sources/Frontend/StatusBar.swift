import Machine

/// The bar below the guest's picture: state, engines, speed, lights, and how to get out.
struct StatusBar {
  static let height = 22

  /// Everything that it shows; drawn again when it changes.
  struct Contents: Equatable {
    var state = FrontPanel.State.running
    var engine = ""
    var mix: [Rates.Share] = []
    var speed = ""
    /// What to do now, or what has just been done.
    var hint = ""
    var isMessage = false
    var isCaptured = false
    /// Drives and the keyboard: name and whether it is active.
    var lights: [Light] = []
  }

  struct Light: Equatable {
    var name: String
    var isOn: Bool
    var color = Palette.direct
  }

  /// A million instructions a second, and the slowdown.
  static func speed(_ rates: Rates, hertz: Double) -> String {
    guard let slowdown = rates.slowdown(hertz: hertz) else { return "idle" }
    let mips = rates.instructionsPerSecond / 1e6
    return "\(mips < 10 ? fixed(mips, 1) : fixed(mips, 0)) MIPS ~\(fixed(slowdown, 1))x"
  }

  static func text(_ state: FrontPanel.State) -> String {
    switch state {
    case .running: "running"
    case .paused: "paused"
    case .halted: "halted"
    }
  }

  /// Draws it into `area`, at a whole number of pixels per dot.
  static func draw(_ contents: Contents, on picture: Picture, in area: Rectangle, scale: Int) {
    picture.fill(area, Palette.bar)
    picture.fill(
      Rectangle(x: area.x, y: area.y, width: area.width, height: scale), Palette.line)
    let y = area.y + 4 * scale
    let dot = Text.width * scale
    var left = area.x + 6 * scale
    var right = area.right - 6 * scale

    func put(_ text: String, _ color: UInt32) {
      Text.draw(text, on: picture, x: left, y: y, scale: scale, color: color)
      left += (text.utf8.count + 1) * dot
    }

    // From the right: lights.
    for light in contents.lights.reversed() {
      right -= light.name.utf8.count * dot
      guard right > left + 20 * dot else { break }
      Text.draw(
        light.name, on: picture, x: right, y: y, scale: scale,
        color: light.isOn ? light.color : Palette.dark)
      right -= dot
    }

    // From the left: state, engine, mix, speed.
    drawState(contents.state, on: picture, x: left, y: y + 2 * scale, scale: scale)
    left += 2 * dot
    if contents.state != .running { put(text(contents.state), Palette.warning) }
    put(contents.engine, Palette.engine(contents.engine))
    let bar = Rectangle(x: left, y: y + 4 * scale, width: 6 * dot, height: 8 * scale)
    if bar.right < right {
      drawMix(contents.mix, on: picture, in: bar)
      left = bar.right + dot
    }
    if left + contents.speed.utf8.count * dot < right {
      put(contents.speed, Palette.dim)
    }
    // Between them what to do, as much as fits.
    let room = max(0, (right - left) / dot)
    let hint = contents.hint.utf8.count <= room ? contents.hint : String(contents.hint.prefix(room))
    left = max(left, right - hint.utf8.count * dot)
    put(hint, contents.isMessage || contents.isCaptured ? Palette.warning : Palette.text)
  }

  private static func drawState(
    _ state: FrontPanel.State, on picture: Picture, x: Int, y: Int, scale: Int
  ) {
    switch state {
    case .running:
      // A triangle.
      for row in 0..<11 {
        let width = (row < 6 ? row + 1 : 11 - row) * 3 / 2 + 1
        picture.fill(
          Rectangle(x: x, y: y + row * scale, width: width * scale, height: scale), Palette.direct)
      }
    case .paused:
      for bar in [0, 6] {
        picture.fill(
          Rectangle(x: x + bar * scale, y: y, width: 4 * scale, height: 11 * scale),
          Palette.warning)
      }
    case .halted:
      picture.fill(
        Rectangle(x: x, y: y + scale, width: 10 * scale, height: 10 * scale), Palette.interpreter)
    }
  }

  private static func drawMix(_ mix: [Rates.Share], on picture: Picture, in area: Rectangle) {
    picture.fill(area, Palette.idle)
    var x = area.x
    for share in mix {
      let width = min(Int((Double(area.width) * share.share).rounded()), area.right - x)
      picture.fill(
        Rectangle(x: x, y: area.y, width: width, height: area.height), Palette.engine(share.name))
      x += max(width, 0)
    }
  }
}

/// A number with a fixed number of decimals.
func fixed(_ value: Double, _ decimals: Int) -> String {
  guard value.isFinite, abs(value) < 1e12 else { return "-" }
  var scale = 1.0
  for _ in 0..<decimals { scale *= 10 }
  let scaled = Int((abs(value) * scale).rounded())
  let sign = value < 0 && scaled != 0 ? "-" : ""
  guard decimals > 0 else { return "\(sign)\(scaled)" }
  let digits = String(scaled % Int(scale))
  return "\(sign)\(scaled / Int(scale))."
    + String(repeating: "0", count: decimals - digits.count) + digits
}
