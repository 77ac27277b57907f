extension BenchReport {
  /// A gnuplot script that draws the slowdown of every program under every engine, with lines at 1 and at SimOS's
  /// factor of five.
  /// - Parameter output: path of the picture; PNG when it ends in .png, else SVG.
  public func plot(output: String) -> String {
    let width = max(900, 400 + rows.count * (16 * columns.count + 12))
    var text = Self.header(output, width: width, height: 720)
    text += """
      set title \(Self.quotedForPlot("Slowdown against native: \(host.cpu), median of \(repetitions)"))
      set ylabel 'guest time / native time'
      set logscale y
      set yrange [0.1:*]
      set grid ytics
      set style data histogram
      set style histogram clustered gap 1
      set style fill solid 0.85 border -1
      set xtics rotate by -45
      set key outside right top
      $data << END

      """
    let names = columns.map { Self.quotedForData($0) }
    text += (["program"] + names).joined(separator: " ") + "\n"
    for row in rows {
      let factors = columns.map { row.cells[$0]?.factor.map { "\($0)" } ?? "NaN" }
      text += ([Self.quotedForData(row.program)] + factors).joined(separator: " ") + "\n"
    }
    for suite in suites {
      let means = columns.map { mean($0, suite: suite).map { "\($0)" } ?? "NaN" }
      text += ([Self.quotedForData("mean \(suite)")] + means).joined(separator: " ") + "\n"
    }
    text += "END\n"
    let series = (0..<columns.count).map {
      "$data using \($0 + 2):xtic(1) title columnheader(\($0 + 2))"
    }
    let lines = [
      "1 with lines lw 2 lc rgb 'black' title 'native'",
      "\(Self.simOSFactor) with lines lw 2 dt 2 lc rgb 'red' title 'SimOS: factor of five'",
    ]
    return text + "plot " + (series + lines).joined(separator: ", \\\n  ") + "\n"
  }

  static func quotedForPlot(_ text: String) -> String {
    "'" + text.replacing("'", with: "''") + "'"
  }

  static func quotedForData(_ text: String) -> String {
    "\"" + text.replacing("\"", with: "").replacing("_", with: "\\\\_") + "\""
  }
}
