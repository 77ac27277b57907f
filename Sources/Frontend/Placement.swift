/// A rectangle in pixels.
struct Rectangle: Equatable {
  var x = 0
  var y = 0
  var width = 0
  var height = 0

  var isEmpty: Bool { width <= 0 || height <= 0 }
  var right: Int { x + width }
  var bottom: Int { y + height }

  func intersection(_ other: Rectangle) -> Rectangle {
    let left = max(x, other.x)
    let top = max(y, other.y)
    return Rectangle(
      x: left, y: top, width: max(0, min(right, other.right) - left),
      height: max(0, min(bottom, other.bottom) - top))
  }
}

/// Where the guest's picture goes.
enum Placement {
  /// The largest place for a picture of `natural` size in `area`, in the middle and undistorted.
  /// - Parameter wholeNumbers: whether each of its pixels becomes a square of whole pixels, which leaves a
  ///   border; a picture that does not fit is made smaller all the same.
  static func fit(
    natural: (width: Int, height: Int), in area: Rectangle, wholeNumbers: Bool
  ) -> Rectangle {
    guard natural.width > 0, natural.height > 0, !area.isEmpty else { return Rectangle() }
    var width: Int
    var height: Int
    let factor = min(area.width / natural.width, area.height / natural.height)
    if wholeNumbers && factor >= 1 {
      (width, height) = (natural.width * factor, natural.height * factor)
    } else if area.width * natural.height <= area.height * natural.width {
      width = area.width
      height = max(1, (area.width * natural.height + natural.width / 2) / natural.width)
    } else {
      height = area.height
      width = max(1, (area.height * natural.width + natural.height / 2) / natural.height)
    }
    width = min(width, area.width)
    height = min(height, area.height)
    return Rectangle(
      x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2,
      width: width, height: height)
  }

  /// The largest whole factor at which a picture takes no more than four fifths of a screen.
  static func comfortableScale(
    natural: (width: Int, height: Int), screen: (width: Int, height: Int)
  ) -> Double {
    let factor = min(
      screen.width * 4 / 5 / max(natural.width, 1), screen.height * 4 / 5 / max(natural.height, 1))
    return Double(max(1, factor))
  }

  /// The scale to use for a picture on a screen: the wanted one, or less if that is too large.
  static func scale(
    wanted: Double, natural: (width: Int, height: Int), screen: (width: Int, height: Int)
  ) -> Double {
    let largest = min(
      Double(screen.width) / Double(max(natural.width, 1)),
      Double(screen.height) / Double(max(natural.height, 1)))
    guard wanted > largest else { return wanted }
    return largest >= 1 ? largest.rounded(.down) : largest
  }
}
