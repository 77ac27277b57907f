extension BenchReport {
  /// Colours of the parts, those of the window.
  private static let colors = ["#58C26B", "#4C9BE8", "#9AA4B0", "#E8974C"]

  /// Makes gnuplot draw to a file: PNG when its name ends in .png, else SVG.
  static func header(_ output: String, width: Int = 1400, height: Int) -> String {
    let size = "size \(width),\(height)"
    let terminal =
      output.hasSuffix(".png") ? "png \(size)" : "svg \(size) dynamic background rgb 'white'"
    return "set terminal \(terminal)\nset output \(quotedForPlot(output))\n"
  }

  /// A gnuplot script that draws the engine mix over time, a picture for every engine and guest: what host time was
  /// spent on, stacked, with the programs where they began.
  public func mixPlot(output: String) -> String {
    var text = Self.header(output, height: max(1, courses.count) * 340)
    text += "set multiplot layout \(max(1, courses.count)),1\n"
    for (number, item) in courses.enumerated() {
      let course = item.course
      // What comes before the first program is the guest's start.
      let start = course.programs.first?.seconds ?? 0
      text += "$mix\(number) << END\n"
      for point in course.points {
        var sum = 0.0
        let heights = point.shares.map { share in
          sum += share
          return "\(min(sum, 1))"
        }
        text += ([String(point.seconds)] + heights).joined(separator: " ") + "\n"
      }
      text += """
        END
        set title \(Self.quotedForPlot("\(item.engine) in the \(item.guest) guest"))
        set xlabel 'host seconds in the engines'
        set ylabel 'part of host time'
        set yrange [0:1]
        set xrange [\(start):\(max(course.points.last?.seconds ?? 0, start + 0.001))]
        set key outside right top
        unset arrow
        unset label

        """
      for (index, program) in course.programs.enumerated() {
        let name = Self.quotedForPlot(program.name.replacing("_", with: "\\_"))
        text +=
          "set arrow from \(program.seconds),0 to \(program.seconds),1 nohead lc rgb '#303030' front\n"
        text +=
          "set label \(name) at \(program.seconds),\(0.03 + Double(index % 4) * 0.22) rotate by 90 offset 0.7,0 front\n"
      }
      // The whole first, what lies lower over it.
      let curves = Course.Part.allCases.enumerated().reversed().map { index, part in
        "$mix\(number) using 1:\(index + 2) with filledcurves x1 fs solid 1 noborder "
          + "lc rgb '\(Self.colors[index])' title '\(part.rawValue)'"
      }
      text +=
        course.points.isEmpty
        ? "plot 0 notitle\n" : "plot " + curves.joined(separator: ", \\\n  ") + "\n"
    }
    return text + "unset multiplot\n"
  }

  /// A gnuplot script that draws how often engines were left, and why, a picture for every engine and guest.
  public func reasonsPlot(output: String) -> String {
    var text = Self.header(output, height: max(1, courses.count) * 380)
    text += "set multiplot layout \(max(1, courses.count)),1\n"
    text +=
      "set logscale y\nset yrange [0.5:*]\nset grid ytics\nset style fill solid 0.85 border -1\n"
    text += "set xtics rotate by -30\nset boxwidth 0.7\nset ylabel 'times'\nset bmargin 7\n"
    for (number, item) in courses.enumerated() {
      let largest = item.course.reasons.filter { $0.value > 0 }
        .sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(16)
      text += "$reasons\(number) << END\n"
      for (index, reason) in largest.enumerated() {
        text += "\(index) \(reason.value) \(Self.quotedForData(reason.key))\n"
      }
      text += "END\n"
      text +=
        "set title \(Self.quotedForPlot("why engines were left: \(item.engine), \(item.guest) guest"))\n"
      text += "set xrange [-0.7:\(max(largest.count, 1)).0]\n"
      text +=
        largest.isEmpty
        ? "plot 1 notitle\n"
        : "plot $reasons\(number) using 1:2:xtic(3) with boxes lc rgb '#B07CE0' notitle\n"
    }
    return text + "unset multiplot\n"
  }
}
