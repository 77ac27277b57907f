import Machine

/// Panels drawn over the guest's picture: the graphs of the last minute, the list of shortcuts, a message.
enum Overlay {
  /// Room inside a panel's border, in dots.
  private static let margin = 8
  private static let graphHeight = 44
  private static let graphWidth = History.capacity * 2

  /// The size of the graphs' panel in dots.
  static var graphSize: (width: Int, height: Int) {
    (graphWidth + 2 * margin, 3 * (graphHeight + Text.height + 4) + 2 * margin + Text.height)
  }

  /// Draws the graphs: host time by engine, slowdown, exits.
  static func drawGraphs(
    _ history: History, hertz: Double, on picture: Picture, x: Int, y: Int, scale: Int
  ) {
    let size = graphSize
    panel(
      Rectangle(x: x, y: y, width: size.width * scale, height: size.height * scale), on: picture,
      scale: scale)
    let samples = history.samples
    let left = x + margin * scale
    var top = y + margin * scale

    func graph(_ title: String, _ value: String, body: (Rectangle) -> Void) {
      Text.draw(title, on: picture, x: left, y: top, scale: scale, color: Palette.text)
      Text.draw(
        value, on: picture, x: left + (graphWidth - value.utf8.count * Text.width) * scale, y: top,
        scale: scale, color: Palette.dim)
      top += (Text.height + 2) * scale
      let area = Rectangle(
        x: left, y: top, width: graphWidth * scale, height: graphHeight * scale)
      picture.fill(area, Palette.border)
      for quarter in 1..<4 {
        picture.fill(
          Rectangle(
            x: left, y: top + area.height * quarter / 4, width: area.width, height: 1), Palette.idle
        )
      }
      body(area)
      top += (graphHeight + 2) * scale
    }

    /// The column of a sample; the newest one is at the right.
    func column(_ index: Int, in area: Rectangle) -> Rectangle {
      let x = area.right - (samples.count - index) * 2 * scale
      return Rectangle(x: x, y: area.y, width: 2 * scale, height: area.height)
    }

    let busy = history.recent.busy
    graph("host time by engine", "\(fixed(busy * 100, 0)) %") { area in
      for (index, sample) in samples.enumerated() {
        var bottom = area.bottom
        let place = column(index, in: area)
        for share in sample.mix {
          let height = min(Int((share.share * Double(area.height)).rounded()), bottom - area.y)
          picture.fill(
            Rectangle(x: place.x, y: bottom - height, width: place.width, height: height),
            Palette.engine(share.name))
          bottom -= height
        }
      }
    }
    let slowdown = history.recent.slowdown(hertz: hertz)
    graph("slowdown, 1 to 100", slowdown.map { "~\(fixed($0, 1))x" } ?? "idle") { area in
      for (index, sample) in samples.enumerated() {
        guard let value = sample.slowdown(hertz: hertz) else { continue }
        let height = Int((logarithm(value) * Double(area.height)).rounded())
        let place = column(index, in: area)
        picture.fill(
          Rectangle(
            x: place.x, y: area.bottom - max(height, scale), width: place.width,
            height: max(height, scale)), Palette.warning)
      }
    }
    let largest = samples.map(\.exitsPerSecond).max() ?? 0
    graph("exits a second", "\(fixed(history.recent.exitsPerSecond, 0))") { area in
      for (index, sample) in samples.enumerated() where largest > 0 {
        let height = Int((sample.exitsPerSecond / largest * Double(area.height)).rounded())
        let place = column(index, in: area)
        picture.fill(
          Rectangle(x: place.x, y: area.bottom - height, width: place.width, height: height),
          Palette.other)
      }
    }
    // What the colours mean.
    var legend = left
    for name in ["direct", "translator", "interpreter"] {
      picture.fill(
        Rectangle(x: legend, y: top + 5 * scale, width: 6 * scale, height: 6 * scale),
        Palette.engine(name))
      legend += 8 * scale
      Text.draw(name, on: picture, x: legend, y: top, scale: scale, color: Palette.dim)
      legend += (name.utf8.count * Text.width + 2) * scale
    }
  }

  /// 0 for 1, 1 for 100, on a logarithmic scale.
  private static func logarithm(_ value: Double) -> Double {
    guard value > 1 else { return 0 }
    var result = 0.0
    var rest = value
    // 48 steps to 100 are as fine as the graph is high.
    while rest > 1 && result < 1 {
      rest /= 1.1006941712522096
      result += 1 / 48
    }
    return min(result, 1)
  }

  /// The size of the list of shortcuts, in dots.
  static func helpSize(_ keys: ReleaseKeys) -> (width: Int, height: Int) {
    let lines = helpLines(keys)
    return (
      (lines.map(\.utf8.count).max() ?? 0) * Text.width + 2 * margin,
      lines.count * (Text.height + 1) + 2 * margin
    )
  }

  static func helpLines(_ keys: ReleaseKeys) -> [String] {
    ["\(keys) releases the mouse,", "held down with another key:", ""]
      + Shortcut.allCases.compactMap { shortcut in
        shortcut.explanation.map {
          "  " + $0.key + String(repeating: " ", count: 6 - $0.key.utf8.count) + $0.text
        }
      }
  }

  static func drawHelp(_ keys: ReleaseKeys, on picture: Picture, x: Int, y: Int, scale: Int) {
    let size = helpSize(keys)
    panel(
      Rectangle(x: x, y: y, width: size.width * scale, height: size.height * scale), on: picture,
      scale: scale)
    for (index, line) in helpLines(keys).enumerated() {
      Text.draw(
        line, on: picture, x: x + margin * scale,
        y: y + (margin + index * (Text.height + 1)) * scale, scale: scale,
        color: index == 0 ? Palette.warning : Palette.text)
    }
  }

  /// The size of a message, in dots.
  static func messageSize(_ text: String) -> (width: Int, height: Int) {
    (text.utf8.count * Text.width + 2 * margin, Text.height + 2 * margin)
  }

  static func drawMessage(_ text: String, on picture: Picture, x: Int, y: Int, scale: Int) {
    let size = messageSize(text)
    panel(
      Rectangle(x: x, y: y, width: size.width * scale, height: size.height * scale), on: picture,
      scale: scale)
    Text.draw(
      text, on: picture, x: x + margin * scale, y: y + margin * scale, scale: scale,
      color: Palette.warning)
  }

  private static func panel(_ area: Rectangle, on picture: Picture, scale: Int) {
    picture.shade(area, Palette.bar, opacity: 238)
    for edge in [
      Rectangle(x: area.x, y: area.y, width: area.width, height: scale),
      Rectangle(x: area.x, y: area.bottom - scale, width: area.width, height: scale),
      Rectangle(x: area.x, y: area.y, width: scale, height: area.height),
      Rectangle(x: area.right - scale, y: area.y, width: scale, height: area.height),
    ] { picture.fill(edge, Palette.line) }
  }
}
