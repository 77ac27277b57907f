import Foundation
import Host
import Testing

/// As much of JSON Schema (draft 2020-12) as docs/schemas uses: `$ref`, `$defs`, `type`, `const`, `enum`,
/// `required`, `properties`, `additionalProperties`, `items`, `minimum`. Any other keyword is an error.
struct Schema {
  private let root: [String: Any]

  init(_ name: String) throws {
    let path =
      URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "docs/schemas/\(name).json").path
    root = try #require(
      try JSONSerialization.jsonObject(with: Data(try HostFile.contents(of: path)))
        as? [String: Any])
  }

  /// What is wrong with a document, with the place; empty if it is valid.
  func problems(in data: Data) throws -> [String] {
    check(try JSONSerialization.jsonObject(with: data), root, at: "$")
  }

  private func check(_ value: Any, _ schema: [String: Any], at path: String) -> [String] {
    if let reference = schema["$ref"] as? String {
      let name = reference.replacing("#/$defs/", with: "")
      guard let definition = (root["$defs"] as? [String: Any])?[name] as? [String: Any] else {
        return ["\(path): the schema has no \(reference)"]
      }
      return check(value, definition, at: path)
    }
    var problems: [String] = []
    for (keyword, rule) in schema {
      switch keyword {
      case "$schema", "$defs", "title", "properties": break
      case "type":
        if !isType(value, rule as? String ?? "") { problems.append("\(path): no \(rule)") }
      case "const":
        if value as? String != rule as? String { problems.append("\(path): not \(rule)") }
      case "enum":
        if !(rule as? [String] ?? []).contains(value as? String ?? "") {
          problems.append("\(path): not one of \(rule)")
        }
      case "minimum":
        if let n = value as? Double, let least = rule as? Double, n < least {
          problems.append("\(path): \(n) is less than \(least)")
        }
      case "required":
        let object = value as? [String: Any] ?? [:]
        problems += (rule as? [String] ?? []).filter { object[$0] == nil }
          .map { "\(path): no \($0)" }
      case "items":
        for (index, item) in (value as? [Any] ?? []).enumerated() {
          problems += check(item, rule as? [String: Any] ?? [:], at: "\(path)[\(index)]")
        }
      case "additionalProperties": break
      default: problems.append("\(path): unknown keyword \(keyword)")
      }
    }
    guard let object = value as? [String: Any] else { return problems }
    let known = schema["properties"] as? [String: [String: Any]] ?? [:]
    for (name, member) in object {
      if let rule = known[name] {
        problems += check(member, rule, at: "\(path).\(name)")
      } else if let rule = schema["additionalProperties"] as? [String: Any] {
        problems += check(member, rule, at: "\(path).\(name)")
      } else if schema["additionalProperties"] as? Bool == false {
        problems.append("\(path): \(name) is not in the schema")
      }
    }
    return problems
  }

  private func isType(_ value: Any, _ type: String) -> Bool {
    switch type {
    case "object": value is [String: Any]
    case "array": value is [Any]
    case "string": value is String
    case "number": value is NSNumber
    case "integer": (value as? NSNumber).map { $0.doubleValue == $0.doubleValue.rounded() } ?? false
    default: false
    }
  }
}
