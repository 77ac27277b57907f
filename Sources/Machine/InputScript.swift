/// What `--until` and `--type` ask for, in the order of the command line: texts to wait for and texts to send.
public struct InputScript: Sendable, Equatable {
  public enum Step: Sendable, Equatable {
    /// Go on when this has appeared.
    case waitFor(String)
    /// Send this once the guest waits for something.
    case type(String)
  }

  private var steps: ArraySlice<Step>
  private let endsRun: Bool

  /// - Parameter steps: if the last one is `waitFor`, the run ends when it is fulfilled.
  public init(_ steps: [Step] = []) {
    self.steps = steps[...]
    if case .waitFor = steps.last { endsRun = true } else { endsRun = false }
  }

  /// The text that is waited for now.
  var awaited: String? {
    if case .waitFor(let text) = steps.first { text } else { nil }
  }

  /// The text to send as soon as the guest waits.
  var toType: String? {
    if case .type(let text) = steps.first { text } else { nil }
  }

  /// Goes on to the next step.
  /// - Returns: whether the run is over.
  mutating func advance() -> Bool {
    steps = steps.dropFirst()
    return steps.isEmpty && endsRun
  }

  /// The text of a `--type` argument with its escapes replaced: `\n` (the Enter key), `\r`, `\t`, `\e`, `\\`
  /// and `\xHH`.
  /// - Returns: nil if there is another escape.
  public static func unescape(_ text: String) -> String? {
    var result = ""
    var rest = text.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      guard scalar == "\\" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      switch rest.popFirst() {
      case "n": result.append("\n")
      case "r": result.append("\r")
      case "t": result.append("\t")
      case "e": result.append("\u{1B}")
      case "\\": result.append("\\")
      case "x":
        let digits = String(String.UnicodeScalarView(rest.prefix(2)))
        guard digits.count == 2, let value = UInt8(digits, radix: 16) else { return nil }
        rest = rest.dropFirst(2)
        result.unicodeScalars.append(Unicode.Scalar(value))
      default: return nil
      }
    }
    return result
  }
}
