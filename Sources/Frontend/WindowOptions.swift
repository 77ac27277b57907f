import Devices

/// How the window looks and what it answers to.
public struct WindowOptions: Sendable {
  /// What runs in it, for the title.
  public var guest = ""
  /// Window pixels per pixel of the guest; nil for what is comfortable on the screen.
  public var scale: Double?
  public var isFullscreen = false
  public var releaseKeys = ReleaseKeys.standard
  /// Names of the engines that the shortcut goes through.
  public var engines: [String] = []
  /// What the guest takes its keyboard for, to type the clipboard.
  public var layout = KeyLayout.us
  /// Clock of the host's processor in hertz, for the estimate of the slowdown.
  public var hertz = 0.0
  /// Keeps a screenshot; told the PNG file's bytes, returns what to say.
  public var saveScreenshot: @Sendable ([UInt8]) -> String = { _ in "" }

  public init() {}
}

/// Why there is no window, as one phrase.
public struct WindowError: Error, CustomStringConvertible {
  public let description: String
}
