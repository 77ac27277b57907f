import CSDL2
import Machine

/// Where things are in the window.
struct Layout: Equatable {
  var window = Rectangle()
  /// The guest's picture.
  var picture = Rectangle()
  /// The status bar, empty if there is none.
  var bar = Rectangle()
  var barScale = 1
}

extension DesktopWindow {
  /// Draws what has changed and shows it.
  /// - Returns: whether there was something.
  func draw() -> Bool {
    let contents = barContents()
    let changedRows = frame.changedRows(since: shown, in: newLines)
    if changedRows.isEmpty { newLines = 0..<0 }
    guard needsDrawing || needsPanels || contents != bar || !changedRows.isEmpty else {
      return false
    }
    guard let window = windowPicture() else { return false }
    newLines = 0..<0
    changed = []
    let isSameFrame = frame.width == shown.width && frame.height == shown.height
    let isSameWindow = window.width == layout.window.width && window.height == layout.window.height
    if needsDrawing || !isSameFrame || !isSameWindow {
      drawEverything(on: window)
    } else {
      for range in changedRows { drawRows(range, on: window) }
    }
    for range in changedRows { shown.copy(range, of: frame) }
    drawPanels(on: window)
    if contents != bar || changed.contains(where: { !$0.intersection(layout.bar).isEmpty }) {
      bar = contents
      if !layout.bar.isEmpty {
        StatusBar.draw(bar, on: window, in: layout.bar, scale: layout.barScale)
        changed.append(layout.bar)
      }
    }
    present(changed)
    needsDrawing = false
    needsPanels = false
    return true
  }

  private func drawEverything(on window: Picture) {
    let scale = barScale(sdl_density())
    let barHeight = showsBar && !isFullscreen ? StatusBar.height * scale : 0
    var new = Layout(window: window.bounds, barScale: scale)
    // A bar without a picture would be of no use.
    let hasBar = barHeight > 0 && window.height >= barHeight * 3
    if hasBar {
      new.bar = Rectangle(
        x: 0, y: window.height - barHeight, width: window.width, height: barHeight)
    }
    let area = Rectangle(
      width: window.width, height: window.height - (hasBar ? barHeight : 0))
    new.picture = Placement.fit(natural: natural, in: area, wholeNumbers: wantsWholeNumbers)
    layout = new
    if columns.source != frame.width || columns.count != layout.picture.width {
      columns = AxisScale(from: frame.width, to: layout.picture.width)
    }
    if rows.source != frame.height || rows.count != layout.picture.height {
      rows = AxisScale(from: frame.height, to: layout.picture.height)
    }
    window.fill(window.bounds, Palette.border)
    drawScaled(0..<layout.picture.height, on: window)
    changed = [window.bounds]
  }

  /// Draws the rows of the window that some rows of the guest's picture are in.
  private func drawRows(_ range: Range<Int>, on window: Picture) {
    let results = rows.results(of: range)
    guard !results.isEmpty else { return }
    drawScaled(results, on: window)
    changed.append(
      Rectangle(
        x: layout.picture.x, y: layout.picture.y + results.lowerBound,
        width: layout.picture.width, height: results.count))
  }

  private func drawScaled(_ results: Range<Int>, on window: Picture) {
    window.draw(
      frame, x: layout.picture.x, y: layout.picture.y, columns: columns, rows: rows, rows: results,
      lines: &lines)
  }

  // MARK: Panels

  /// Draws the panels that lie on what has changed, or that have changed themselves.
  private func drawPanels(on window: Picture) {
    let scale = layout.barScale
    var places: [(Rectangle, () -> Void)] = []
    func add(_ size: (width: Int, height: Int), x: Int, y: Int, _ body: @escaping () -> Void) {
      places.append(
        (Rectangle(x: x, y: y, width: size.width * scale, height: size.height * scale), body))
    }
    if showsGraphs {
      let size = Overlay.graphSize
      let x = max(0, window.width - (size.width + 8) * scale)
      add(size, x: x, y: 8 * scale) { [self] in
        Overlay.drawGraphs(
          history, hertz: options.hertz, on: window, x: x, y: 8 * scale, scale: scale)
      }
    }
    if showsHelp {
      let size = Overlay.helpSize(options.releaseKeys)
      add(size, x: 8 * scale, y: 8 * scale) { [self] in
        Overlay.drawHelp(
          options.releaseKeys, on: window, x: 8 * scale, y: 8 * scale, scale: scale)
      }
    }
    if !message.isEmpty && layout.bar.isEmpty {
      let size = Overlay.messageSize(message)
      let x = max(0, (window.width - size.width * scale) / 2)
      let y = max(0, window.height - (size.height + 16) * scale)
      add(size, x: x, y: y) { [self] in
        Overlay.drawMessage(message, on: window, x: x, y: y, scale: scale)
      }
    }
    for (place, body) in places {
      let isTouched = changed.contains { !$0.intersection(place).isEmpty }
      guard isTouched || needsPanels else { continue }
      // The panel is transparent: what is under it comes first.
      if changed.first != layout.window {
        window.fill(place, Palette.border)
        let rows = place.intersection(layout.picture)
        if !rows.isEmpty {
          drawScaled(rows.y - layout.picture.y..<rows.bottom - layout.picture.y, on: window)
          changed.append(
            Rectangle(
              x: layout.picture.x, y: rows.y, width: layout.picture.width, height: rows.height))
        }
        changed.append(place.intersection(layout.window))
      }
      body()
    }
  }

  // MARK: Status bar

  private func barContents() -> StatusBar.Contents {
    var result = StatusBar.Contents()
    guard !isFullscreen, showsBar else { return result }
    let rates = history.recent
    result.state = status.state
    result.engine = status.engine
    result.mix = rates.mix.map { .init(name: $0.name, share: ($0.share * 48).rounded() / 48) }
    result.speed = StatusBar.speed(rates, hertz: options.hertz)
    result.isCaptured = isCaptured
    if !message.isEmpty {
      result.hint = message
      result.isMessage = true
    } else if isCaptured {
      result.hint = "\(options.releaseKeys) releases mouse"
    } else {
      result.hint = "\(options.releaseKeys)+H: keys"
    }
    let active = history.latest.active
    func light(_ name: String, _ devices: [String]) {
      result.lights.append(
        .init(name: name, isOn: devices.contains { active.contains($0) }))
    }
    light("HD", ["ide", "disk", "virtio-blk", "virtio"])
    light("CD", ["cdrom", "atapi"])
    light("KB", ["keyboard"])
    for (name, bit) in [("NUM", UInt8(2)), ("CAPS", 4)] where status.keyboardLights & bit != 0 {
      result.lights.append(.init(name: name, isOn: true, color: Palette.text))
    }
    return result
  }
}
