import Testing

@testable import Statistics

@Suite struct CourseTests {
  @Test func pointsAreSharesOfTheTimeSinceTheLast() {
    var course = Course()
    course.record([0, 1_000_000, 0, 0])
    #expect(course.points.isEmpty)
    course.begin("p", [0, 2_000_000, 0, 0])
    course.record([0, 8_000_000, 2_000_000, 0])
    course.record([5_000_000, 8_000_000, 2_000_000, 5_000_000])
    #expect(course.programs == [.init(name: "p", seconds: 0.002)])
    #expect(course.points.map(\.seconds) == [0.01, 0.02])
    #expect(course.points.map(\.shares) == [[0, 0.8, 0.2, 0], [0.5, 0, 0, 0.5]])
  }

  /// However long a run, the points stay few, cover it all, and their means keep the whole.
  @Test func longRunsHaveCoarserPoints() {
    var course = Course()
    var total: [UInt64] = [0, 0, 0, 0]
    for step in 0..<5000 {
      total[step % 10 == 0 ? 3 : 0] += 10_000_000
      course.record(total)
    }
    #expect(course.points.count <= Course.capacity && course.points.count > 100)
    #expect(course.points.last?.seconds ?? 0 > 49)
    var start = 0.0
    var interpreted = 0.0
    for point in course.points {
      #expect(abs(point.shares.reduce(0, +) - 1) < 1e-9)
      interpreted += point.shares[3] * (point.seconds - start)
      start = point.seconds
    }
    #expect(abs(interpreted - 5) < 0.1)
  }

  @Test func anotherRunFollows() {
    var a = Course()
    a.record([0, 10_000_000, 0, 0])
    a.reasons = ["exit: halted": 2]
    var b = Course()
    b.begin("q", [0, 0, 0, 0])
    b.record([10_000_000, 0, 0, 0])
    b.reasons = ["exit: halted": 3, "exit: deadline": 1]
    a.append(b)
    #expect(a.points.map(\.seconds) == [0.01, 0.02])
    #expect(a.programs == [.init(name: "q", seconds: 0.01)])
    #expect(a.reasons == ["exit: halted": 5, "exit: deadline": 1])
  }
}
