/// A JSON document whose objects keep the order in which they were built, so that reports of two equal runs
/// are equal byte for byte. RFC 8259.
public enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(UInt64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([Member])

  /// One name and value of an object.
  public struct Member: Sendable, Equatable {
    public var name: String
    public var value: JSONValue
    public init(_ name: String, _ value: JSONValue) {
      self.name = name
      self.value = value
    }
  }

  /// An object with the given members in that order; members without a value are left out.
  public static func object(_ members: KeyValuePairs<String, JSONValue?>) -> JSONValue {
    .object(members.compactMap { name, value in value.map { Member(name, $0) } })
  }

  /// The member `name` of an object, if there is one.
  public subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  /// The document as text, indented by two spaces a level, ending in a line feed.
  public var text: String {
    var result = ""
    write(to: &result, indent: "")
    return result + "\n"
  }

  private func write(to out: inout String, indent: String) {
    switch self {
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .integer(let value): out += String(value)
    // Infinities and NaN have no JSON form.
    case .number(let value): out += value.isFinite ? "\(value)" : "null"
    case .string(let value): Self.quote(value, to: &out)
    case .array(let elements):
      Self.list(elements, "[", "]", to: &out, indent) { element, out, inner in
        element.write(to: &out, indent: inner)
      }
    case .object(let members):
      Self.list(members, "{", "}", to: &out, indent) { member, out, inner in
        Self.quote(member.name, to: &out)
        out += ": "
        member.value.write(to: &out, indent: inner)
      }
    }
  }

  private static func list<Element>(
    _ elements: [Element], _ open: String, _ close: String, to out: inout String,
    _ indent: String, _ write: (Element, inout String, String) -> Void
  ) {
    guard !elements.isEmpty else {
      out += open + close
      return
    }
    let inner = indent + "  "
    out += open
    for (index, element) in elements.enumerated() {
      out += index == 0 ? "\n" + inner : ",\n" + inner
      write(element, &out, inner)
    }
    out += "\n" + indent + close
  }

  private static func quote(_ string: String, to out: inout String) {
    out += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F:
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}
