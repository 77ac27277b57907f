import CSDL2
import Glibc
import Synchronization

/// The text on the clipboard.
func clipboardText() -> String? {
  guard let text = sdl_clipboard() else { return nil }
  defer { free(text) }
  return String(cString: text)
}

/// The window's pixels up to the next event; nil while it has none.
func windowPicture() -> Picture? {
  let pixels = sdl_pixels()
  guard let base = pixels.pixels, pixels.width > 0, pixels.height > 0 else { return nil }
  return Picture(
    base, width: Int(pixels.width), height: Int(pixels.height), stride: Int(pixels.stride))
}

/// Shows some rectangles of the window's pixels.
func present(_ rectangles: [Rectangle]) {
  let list = rectangles.map {
    HostRectangle(
      x: Int32($0.x), y: Int32($0.y), width: Int32($0.width), height: Int32($0.height))
  }
  list.withUnsafeBufferPointer { buffer in
    if let base = buffer.baseAddress { sdl_show(base, Int32(buffer.count)) }
  }
}

private let exitAction = Mutex<(@Sendable () -> Never)?>(nil)

extension DesktopWindow {
  /// The X library ends the process when the connection to the display breaks. `action` is called then, on the
  /// main thread, and must end the process itself.
  public static func whenDisplayIsLost(_ action: @escaping @Sendable () -> Never) {
    exitAction.withLock { $0 = action }
    sdl_on_exit {
      let action = exitAction.withLock { $0 }
      action?()
    }
  }
}
