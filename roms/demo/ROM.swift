/// An image of our own guest code, built from its sources in `roms/` with the package.
///
/// Map it so that it ends at 4 GiB and once more so that it ends at 1 MiB, and start at the reset vector.
public struct ROM: Sendable, CustomStringConvertible {
  /// The name of its source file.
  public let name: String
  private let base64: StaticString

  public init(name: String, base64: StaticString) {
    self.name = name
    self.base64 = base64
  }

  /// The bytes of the image (64 KiB); decoded at each call.
  public var image: [UInt8] { decodeBase64(base64) }
  public var description: String { name }

  /// The demonstration that `switchback run` boots when it is given nothing else.
  public static let demo = ROM(name: "demo", base64: demoImage)
}
