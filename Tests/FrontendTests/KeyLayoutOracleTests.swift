import Foundation
import Testing

@testable import Devices
@testable import Frontend

/// The layouts against those of an X server (xkb-data).
@Suite(.enabled(if: XServer.isInstalled, "scripts/setup.sh installs Xvfb and xdotool"))
struct KeyLayoutOracleTests {
  /// What X means by a character.
  private static let symbols: [UInt: Character] = [
    0x20AC: "€", 0xFE50: "`", 0xFE51: "´", 0xFE52: "^", 0xFE57: "¨",
  ]

  @Test(arguments: [("us", KeyLayout.us), ("gb", .uk), ("de", .de), ("fr", .fr)])
  func keysMeanWhatTheyMeanToX(name: String, layout: KeyLayout) throws {
    let server = try XServer()
    try server.run("/usr/bin/setxkbmap", [name])
    let library = try #require(dlopen("libX11.so.6", RTLD_NOW))
    func function<T>(_ name: String, _: T.Type) throws -> T {
      unsafeBitCast(try #require(dlsym(library, name)), to: T.self)
    }
    let open = try function(
      "XOpenDisplay", (@convention(c) (UnsafePointer<CChar>?) -> OpaquePointer?).self)
    let close = try function("XCloseDisplay", (@convention(c) (OpaquePointer?) -> Int32).self)
    let symbol = try function(
      "XkbKeycodeToKeysym",
      (@convention(c) (OpaquePointer?, UInt8, Int32, Int32) -> UInt).self)
    let connection = try #require(open(server.display))
    defer { _ = close(connection) }
    var compared = 0
    for key in KeyLayout.keys {
      // X key codes are Linux's plus 8, which are scan codes of set 1 for these keys.
      let code = try #require(key.set1.make.first) + 8
      for level in 0..<3 {
        guard let character = layout.character(of: key, level: level) else { continue }
        let known = symbol(connection, code, 0, Int32(level))
        let expected =
          Self.symbols[known] ?? UnicodeScalar(UInt32(known & 0xFFFF)).map(Character.init)
        #expect(
          expected == character, "\(name): \(key), level \(level): \(String(known, radix: 16))")
        compared += 1
      }
    }
    #expect(compared > 90)
  }
}
