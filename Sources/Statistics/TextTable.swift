/// Rows of cells, set in columns that are as wide as they need to be.
public struct TextTable: Sendable {
  private var rows: [[String]] = []
  /// The columns, from 0, whose cells are set flush right.
  private let rightAligned: Set<Int>

  public init(rightAligned: Set<Int> = []) { self.rightAligned = rightAligned }

  public mutating func row(_ cells: String...) { rows.append(cells) }
  public mutating func row(_ cells: [String]) { rows.append(cells) }

  /// One line a row, each ending in a line feed, without trailing blanks.
  public var text: String {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { cells in
      var line = ""
      for (column, cell) in cells.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        if column > 0 { line += "  " }
        line += rightAligned.contains(column) ? padding + cell : cell + padding
      }
      return String(line.reversed().drop { $0 == " " }.reversed()) + "\n"
    }.joined()
  }
}

/// `value` with `digits` digits after the point.
public func fixed(_ value: Double, _ digits: Int) -> String {
  guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
  let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
  let scaled = UInt64((abs(value) * scale).rounded())
  let whole = scaled / UInt64(scale)
  let sign = value < 0 && scaled > 0 ? "-" : ""
  guard digits > 0 else { return "\(sign)\(whole)" }
  let fraction = String(scaled % UInt64(scale))
  return "\(sign)\(whole)." + String(repeating: "0", count: digits - fraction.count) + fraction
}

/// `value` with a comma between each three digits.
public func grouped(_ value: UInt64) -> String {
  var result = ""
  for (index, digit) in String(value).reversed().enumerated() {
    if index > 0 && index % 3 == 0 { result.append(",") }
    result.append(digit)
  }
  return String(result.reversed())
}
