/// Text modes: the characters on the screen and their picture.
extension VGA {
  /// Text columns and rows; a row that is cut off at the bottom does not count.
  var textSize: (columns: Int, rows: Int) {
    let doubling = crtc[9] & 0x80 != 0 ? 2 : 1
    return (Int(crtc[1]) + 1, max(visibleLines / (characterHeight * doubling), 1))
  }

  /// The count of the CRTC's address counter at the start of a text row.
  private func rowCounter(_ row: Int) -> Int {
    let doubling = crtc[9] & 0x80 != 0 ? 2 : 1
    let splitRow = (lineCompare / doubling + 1 + characterHeight - 1) / characterHeight
    return row >= splitRow ? (row - splitRow) * rowOffset : startAddress + row * rowOffset
  }

  private func character(_ column: Int, _ row: Int) -> UInt8 {
    memory[planeAddress(rowCounter(row) + column) * 4]
  }

  /// The text on the screen, one string per row, in Unicode; empty in graphics modes. Trailing blanks are
  /// left out, but not those before the cursor (a prompt ends with one).
  public var textScreen: [String] {
    guard isTextMode else { return [] }
    let (columns, rows) = textSize
    let cursor = cursorCell
    return (0..<rows).map { row in
      let bytes = (0..<columns).map { character($0, row) }
      var length = bytes.count
      let kept = cursor?.row == row ? cursor?.column ?? 0 : 0
      while length > kept && [0x00, 0x20, 0xFF].contains(bytes[length - 1]) { length -= 1 }
      return String(bytes.prefix(length).map { CodePage437.character($0) })
    }
  }

  /// The cursor's place on the text screen; nil if it is off or outside.
  public var textCursor: (column: Int, row: Int)? {
    isTextMode && crtc[0x0A] & 0x20 == 0 ? cursorCell : nil
  }

  /// The cursor's address count.
  private var cursorCounter: Int { Int(crtc[0x0E]) << 8 | Int(crtc[0x0F]) }

  private var cursorCell: (column: Int, row: Int)? {
    let (columns, rows) = textSize
    for row in 0..<rows {
      let column = cursorCounter - rowCounter(row)
      if (0..<columns).contains(column) { return (column, row) }
    }
    return nil
  }

  // MARK: Picture

  /// What blinks on the screen changes with this number: the cursor is shown when it is even, blinking
  /// characters when its second bit is clear. Eight frames each.
  var blinkPhase: UInt64 { frameNumber / 8 }

  /// Byte offsets of the two fonts in plane 2 (sequencer register 3).
  private var fonts: (normal: Int, alternate: Int) {
    let select = Int(sequencer[3])
    func offset(_ low: Int, _ high: Int) -> Int { low * 0x4000 + high * 0x2000 }
    return (
      offset(select & 3, select >> 4 & 1), offset(select >> 2 & 3, select >> 5 & 1)
    )
  }

  /// What is the same for all lines of a text picture.
  private struct TextStyle {
    var dots: Int
    var palette: [UInt32]
    var fonts: (normal: Int, alternate: Int)
    var blinks: Bool
    var hidesBlinking: Bool
    /// Line graphics characters fill the ninth dot.
    var extendsGraphics: Bool
    var underlineRow: Int
    var cursorCounter: Int
    /// Rows of the cursor; empty if it is not shown.
    var cursorRows: Range<Int>
  }

  private func textStyle(phase: UInt64) -> TextStyle {
    let showsCursor = phase & 1 == 0 && crtc[0x0A] & 0x20 == 0
    let first = Int(crtc[0x0A] & 31)
    let last = Int(crtc[0x0B] & 31)
    return TextStyle(
      dots: sequencer[1] & 1 != 0 ? 8 : 9, palette: palette16(), fonts: fonts,
      blinks: attribute[0x10] & 8 != 0, hidesBlinking: phase & 2 != 0,
      extendsGraphics: attribute[0x10] & 4 != 0, underlineRow: Int(crtc[0x14] & 31),
      // The skew delays the cursor by characters.
      cursorCounter: cursorCounter + Int(crtc[0x0B] >> 5 & 3),
      cursorRows: showsCursor && first <= last ? first..<last + 1 : 0..<0)
  }

  /// Draws a text mode.
  /// - Parameter onlyBlinking: leave out what looks the same at all times.
  /// - Returns: the lines that were drawn.
  func renderText(
    _ frame: inout VideoFrame, phase: UInt64, onlyBlinking: Bool
  ) -> Range<Int> {
    let columns = Int(crtc[1]) + 1
    let style = textStyle(phase: phase)
    let doubling = crtc[9] & 0x80 != 0 ? 2 : 1
    frame.resize(columns * style.dots, max(visibleLines / doubling, 1))
    let height = characterHeight
    let splitLine = lineCompare / doubling + 1
    // The pixels that lie left of the screen: 1-8 for 0-7 and none for 8 where characters have nine dots.
    let pan = Int(attribute[0x13] & 15)
    var panning = style.dots == 9 ? (pan >= 8 ? 0 : pan + 1) : pan & 7
    var counter = startAddress + bytePanning
    var scan = presetRowScan % height
    var lines = 0..<0
    var draws = true
    for y in 0..<frame.height {
      if y == splitLine {
        counter = 0
        scan = 0
        if splitEndsPanning { panning = 0 }
      }
      if onlyBlinking && (scan == 0 || y == 0 || y == splitLine) {
        draws = blinks(counter..<counter + columns + 1, style)
      }
      if draws {
        renderTextLine(
          &frame, y: y, scan: scan, counter: counter, columns: columns, panning: panning, style)
        lines = (lines.isEmpty ? y : lines.lowerBound)..<y + 1
      }
      scan += 1
      if scan == height {
        scan = 0
        counter += rowOffset
      }
    }
    return lines
  }

  /// Whether some of these characters blink, or the cursor does.
  private func blinks(_ counters: Range<Int>, _ style: TextStyle) -> Bool {
    counters.contains(style.cursorCounter)
      || style.blinks && counters.contains { memory[planeAddress($0) * 4 + 1] & 0x80 != 0 }
  }

  private func renderTextLine(
    _ frame: inout VideoFrame, y: Int, scan: Int, counter: Int, columns: Int, panning: Int,
    _ style: TextStyle
  ) {
    let start = y * frame.width
    let end = start + frame.width
    var pixel = start - panning
    for column in 0..<columns + (panning > 0 ? 1 : 0) {
      let base = planeAddress(counter + column) * 4
      let character = Int(memory[base])
      let attributes = memory[base + 1]
      var foreground = style.palette[Int(attributes & 15)]
      let background = style.palette[Int(attributes >> 4 & (style.blinks ? 7 : 15))]
      if style.blinks && attributes & 0x80 != 0 && style.hidesBlinking { foreground = background }
      let font = attributes & 8 != 0 ? style.fonts.alternate : style.fonts.normal
      var bits = Int(memory[(font + character * 32 + scan) * 4 + 2]) << 1
      if style.extendsGraphics && character & 0xE0 == 0xC0 { bits |= bits >> 1 & 1 }
      if attributes & 7 == 1 && scan == style.underlineRow { bits = 0x1FF }
      if style.cursorRows.contains(scan) && counter + column == style.cursorCounter {
        bits = 0x1FF
        // The cursor does not blink with its character.
        foreground = style.palette[Int(attributes & 15)]
      }
      for dot in 0..<style.dots {
        if pixel >= start && pixel < end {
          frame.pixels[pixel] = bits >> (8 - dot) & 1 != 0 ? foreground : background
        }
        pixel += 1
      }
    }
  }
}
