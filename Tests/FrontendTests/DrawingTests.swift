import Devices
import Machine
import Testing

@testable import Frontend

@Suite struct PlacementTests {
  @Test func aspectIsKept() {
    let area = Rectangle(width: 1000, height: 1000)
    #expect(
      Placement.fit(natural: (720, 400), in: area, wholeNumbers: false)
        == Rectangle(x: 0, y: 222, width: 1000, height: 556))
    #expect(
      Placement.fit(natural: (720, 400), in: area, wholeNumbers: true)
        == Rectangle(x: 140, y: 300, width: 720, height: 400))
    #expect(
      Placement.fit(
        natural: (640, 480), in: Rectangle(width: 1280, height: 960), wholeNumbers: false)
        == Rectangle(x: 0, y: 0, width: 1280, height: 960))
    // Too small for whole numbers: smaller all the same.
    #expect(
      Placement.fit(natural: (640, 480), in: Rectangle(width: 320, height: 1), wholeNumbers: true)
        .height == 1)
  }

  @Test func noSizeIsNoTrouble() {
    for area in [Rectangle(), Rectangle(width: 1, height: 0), Rectangle(width: 0, height: 5)] {
      #expect(Placement.fit(natural: (720, 400), in: area, wholeNumbers: false).isEmpty)
    }
    #expect(
      Placement.fit(natural: (0, 0), in: Rectangle(width: 9, height: 9), wholeNumbers: true).isEmpty
    )
    let tiny = Placement.fit(
      natural: (2560, 1600), in: Rectangle(width: 1, height: 1), wholeNumbers: false)
    #expect(tiny == Rectangle(x: 0, y: 0, width: 1, height: 1))
  }

  @Test func everyPlaceLiesInsideItsArea() {
    for width in stride(from: 1, to: 400, by: 37) {
      for height in stride(from: 1, to: 400, by: 23) {
        for natural in [(1, 400), (400, 1), (320, 200), (720, 400)] {
          for wholeNumbers in [false, true] {
            let area = Rectangle(x: 3, y: 5, width: width, height: height)
            let place = Placement.fit(natural: natural, in: area, wholeNumbers: wholeNumbers)
            #expect(place.intersection(area) == place && !place.isEmpty)
          }
        }
      }
    }
  }

  @Test func scalesSuitTheScreen() {
    #expect(Placement.comfortableScale(natural: (720, 400), screen: (1920, 1050)) == 2)
    #expect(Placement.comfortableScale(natural: (720, 400), screen: (3840, 2100)) == 4)
    #expect(Placement.comfortableScale(natural: (720, 400), screen: (600, 300)) == 1)
    #expect(Placement.scale(wanted: 2, natural: (1024, 768), screen: (1920, 1050)) == 1)
    #expect(Placement.scale(wanted: 1, natural: (1024, 768), screen: (512, 768)) == 0.5)
  }
}

@Suite struct AxisScaleTests {
  @Test func wholeNumbersRepeatPixels() {
    for factor in 1...4 {
      let scale = AxisScale(from: 7, to: 7 * factor)
      #expect(scale.first == (0..<7 * factor).map { $0 / factor })
      #expect(scale.weights.allSatisfy { $0 == 256 } && scale.weights.count == 7 * factor)
    }
  }

  @Test func weightsAreTheAreasCovered() {
    for (source, target) in [(2, 3), (720, 1000), (3, 2), (720, 500), (5, 1), (1, 5), (400, 1)] {
      let scale = AxisScale(from: source, to: target)
      #expect(scale.count == target)
      for index in 0..<target {
        let taps = scale.offset[index]..<scale.offset[index + 1]
        #expect(taps.reduce(0) { $0 + scale.weights[$1] } == 256)
        let start = Double(index) * Double(source) / Double(target)
        let end = Double(index + 1) * Double(source) / Double(target)
        for tap in taps {
          let pixel = Double(scale.first[index] + tap - taps.lowerBound)
          let covered = max(0, min(end, pixel + 1) - max(start, pixel)) / (end - start)
          #expect(
            abs(Double(scale.weights[tap]) / 256 - covered) < 2.0 / 256 + Double(taps.count) / 512)
        }
      }
    }
  }

  @Test func changedPixelsChangeTheirResults() {
    for (source, target) in [(400, 400), (400, 800), (400, 555), (400, 123)] {
      let scale = AxisScale(from: source, to: target)
      for pixel in stride(from: 0, to: source, by: 7) {
        let results = scale.results(of: pixel..<pixel + 1)
        for index in 0..<target {
          let count = scale.offset[index + 1] - scale.offset[index]
          let depends = (scale.first[index]..<scale.first[index] + count).contains(pixel)
          #expect(!depends || results.contains(index))
        }
      }
    }
    #expect(AxisScale(from: 0, to: 0).results(of: 0..<1).isEmpty)
  }
}

@Suite struct PictureTests {
  private func frame(_ width: Int, _ height: Int) -> VideoFrame {
    var frame = VideoFrame()
    frame.width = width
    frame.height = height
    frame.pixels = (0..<width * height).map {
      0xFF00_0000 | UInt32(truncatingIfNeeded: $0 &* 2_654_435_761) & 0xFF_FFFF
    }
    return frame
  }

  @Test(arguments: [(1, 1), (2, 2), (3, 1)])
  func wholeScalesAreExact(factors: (Int, Int)) {
    let frame = frame(13, 9)
    let (width, height) = (13 * factors.0, 9 * factors.1)
    var pixels = [UInt32](repeating: 0, count: width * height)
    var lines = LineCache()
    Picture.draw(on: &pixels, width: width) {
      $0.draw(
        frame, x: 0, y: 0, columns: AxisScale(from: 13, to: width),
        rows: AxisScale(from: 9, to: height), rows: 0..<height, lines: &lines)
    }
    for y in 0..<height {
      for x in 0..<width {
        let p = frame.pixels[y / factors.1 * 13 + x / factors.0]
        #expect(pixels[y * width + x] == (p & 0xFF) << 16 | p & 0xFF00 | p >> 16 & 0xFF)
      }
    }
  }

  @Test func partsDrawnLaterAreTheSameAsAllAtOnce() {
    let frame = frame(40, 30)
    let (width, height) = (57, 44)
    let (columns, rows) = (AxisScale(from: 40, to: width), AxisScale(from: 30, to: height))
    var whole = [UInt32](repeating: 0, count: width * height)
    var parts = whole
    var lines = LineCache()
    Picture.draw(on: &whole, width: width) {
      $0.draw(
        frame, x: 0, y: 0, columns: columns, rows: rows, rows: 0..<height, lines: &lines)
    }
    Picture.draw(on: &parts, width: width) { picture in
      for pixel in (0..<30).reversed() {
        picture.draw(
          frame, x: 0, y: 0, columns: columns, rows: rows,
          rows: rows.results(of: pixel..<pixel + 1),
          lines: &lines)
      }
    }
    #expect(whole == parts)
  }

  @Test func nothingIsDrawnOutside() {
    var pixels = [UInt32](repeating: 7, count: 64)
    var lines = LineCache()
    let frame = frame(20, 20)
    pixels.withUnsafeMutableBufferPointer { buffer in
      // The outer rows and columns belong to somebody else.
      let picture = Picture(buffer.baseAddress! + 9, width: 6, height: 6, stride: 8)
      picture.fill(Rectangle(x: -5, y: -5, width: 50, height: 50), 1)
      picture.shade(Rectangle(x: -5, y: -5, width: 50, height: 50), 1, opacity: 128)
      picture.draw(
        frame, x: 2, y: 3, columns: AxisScale(from: 20, to: 20), rows: AxisScale(from: 20, to: 20),
        rows: 0..<20, lines: &lines)
      picture.set(6, 0, 5)
      picture.set(0, -1, 5)
      Text.draw("Xy", on: picture, x: -3, y: -4, scale: 2, color: 9)
      StatusBar.draw(StatusBar.Contents(), on: picture, in: picture.bounds, scale: 3)
      Overlay.drawGraphs(History(), hertz: 1e9, on: picture, x: -20, y: -20, scale: 2)
      Overlay.drawHelp(.standard, on: picture, x: -20, y: -20, scale: 2)
      Overlay.drawMessage("message", on: picture, x: -20, y: -20, scale: 2)
    }
    for index in 0..<64 {
      let (x, y) = (index % 8, index / 8)
      if x == 0 || x == 7 || y == 0 || y == 7 { #expect(pixels[index] == 7) }
    }
  }

  @Test func changedRowsAreFound() {
    let old = frame(8, 10)
    var new = old
    #expect(new.changedRows(since: old, in: 0..<10) == [])
    new.pixels[8 * 2] ^= 1
    new.pixels[8 * 3 + 7] ^= 1
    new.pixels[8 * 9] ^= 1
    #expect(new.changedRows(since: old, in: 0..<20) == [2..<4, 9..<10])
    #expect(new.changedRows(since: old, in: 3..<9) == [3..<4])
    #expect(frame(4, 5).changedRows(since: old, in: 0..<1) == [0..<5])
  }
}

@Suite struct RatesTests {
  private func status(_ milliseconds: UInt64) -> FrontPanel.Status {
    var status = FrontPanel.Status()
    status.nanoseconds = milliseconds * 1_000_000
    status.frequency = 200_000_000
    return status
  }

  @Test func ratesAreDifferencesOverTime() {
    var old = status(1000)
    old.work = [.init(name: "interpreter", instructions: 100, nanoseconds: 1000)]
    old.activity = ["ide": 5, "pit": 7]
    var new = status(1500)
    new.work = [
      .init(name: "interpreter", instructions: 50_000_100, nanoseconds: 100_001_000),
      .init(name: "translator", instructions: 0, nanoseconds: 200_000_000),
    ]
    new.instructions = 150_000_000
    new.exits = 1000
    new.cycles = 50_000_000
    new.activity = ["ide": 6, "pit": 7, "rtc": 1]
    let rates = Rates(from: old, to: new)
    #expect(rates.seconds == 0.5)
    #expect(
      rates.mix == [.init(name: "interpreter", share: 0.2), .init(name: "translator", share: 0.4)])
    #expect(rates.exitsPerSecond == 2000)
    #expect(rates.speed == 0.5)
    #expect(rates.active == ["ide", "rtc"])
    #expect(rates.instructionsPerSecond == 500_000_000)
    #expect(rates.slowdown(hertz: 2e9) == 4)
    #expect(StatusBar.speed(rates, hertz: 2e9) == "500 MIPS ~4.0x")
    #expect(Rates(from: new, to: new).slowdown(hertz: 2e9) == nil)
    #expect(StatusBar.speed(Rates(), hertz: 2e9) == "idle")
  }

  @Test func historyIsTheLastMinute() {
    var history = History()
    for tick in 0..<2000 as Range<UInt64> {
      let isNew = history.add(status(tick * 100))
      let isNewAgain = history.add(status(tick * 100))
      #expect(isNew && !isNewAgain)
    }
    #expect(history.samples.count == History.capacity)
    #expect(history.samples.allSatisfy { abs($0.seconds - 0.5) < 0.001 })
  }

  @Test func numbersHaveTheirDecimals() {
    #expect(fixed(1.25, 1) == "1.3" && fixed(0.04, 1) == "0.0" && fixed(-2.5, 0) == "-3")
    #expect(fixed(12.005, 2) == "12.01" && fixed(.infinity, 1) == "-" && fixed(7, 3) == "7.000")
  }
}
