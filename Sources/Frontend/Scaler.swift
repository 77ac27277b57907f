/// How the pixels of one axis are made of those of another picture: by the area that each covers, so that
/// whole-number scales repeat pixels exactly, and others have sharp pixels with mixed borders.
struct AxisScale: Equatable {
  /// For each result the first source pixel and its weights in 256ths, from the flat list.
  private(set) var first: [Int]
  private(set) var offset: [Int]
  private(set) var weights: [UInt32] = []

  let source: Int
  var count: Int { first.count }

  init(from source: Int, to target: Int) {
    self.source = source
    first = []
    offset = [0]
    first.reserveCapacity(target)
    guard source > 0, target > 0 else { return }
    for index in 0..<target {
      // In units of 1/target of a source pixel.
      let start = index * source
      let end = start + source
      let low = start / target
      let high = (end - 1) / target
      first.append(low)
      var before = 0
      for pixel in low...high {
        // Sums are rounded, not the weights, so that these add up to 256.
        let covered = min(end, (pixel + 1) * target) - start
        let sum = (covered * 256 + source / 2) / source
        weights.append(UInt32(sum - before))
        before = sum
      }
      offset.append(weights.count)
    }
  }

  /// The results that depend on some source pixels.
  func results(of pixels: Range<Int>) -> Range<Int> {
    guard source > 0, !pixels.isEmpty else { return 0..<0 }
    let low = pixels.lowerBound * count / source
    let high = (pixels.upperBound * count + source - 1) / source
    return max(0, low)..<min(count, high)
  }
}
