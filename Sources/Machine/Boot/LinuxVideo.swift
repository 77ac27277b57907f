import Devices

/// The kernel's parameter `vga=`, which is for the boot loader (Linux, Documentation/admin-guide/svga.rst): the
/// video mode that it sets before it starts the kernel, and `screen_info` in the zero page that tells it.
enum LinuxVideo {
  /// The mode that a command line asks for; nil for the text screen.
  /// - Throws: `InputError` for a mode that the machine does not have.
  static func mode(commandLine: String) throws(InputError) -> VideoMode? {
    guard
      let word = commandLine.split(whereSeparator: \.isWhitespace).last(where: {
        $0.hasPrefix("vga=")
      })
    else { return nil }
    let text = word.dropFirst("vga=".count)
    if ["normal", "ext", "ask", "0xf00", "0xF00"].contains(text) { return nil }
    let number = text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text)
    guard let number, number >= 0x200, let mode = VideoMode(vbe: number - 0x200) else {
      throw InputError(
        .usage,
        "--append: \(word): there is no such video mode; 0x311, 0x314 and 0x317 are 640x480, 800x600 "
          + "and 1024x768 in 16 bits, 0x342 to 0x344 in 32")
    }
    return mode
  }

  /// `screen_info`: a linear framebuffer. Linux, include/uapi/linux/screen_info.h.
  static func put(_ mode: VideoMode, at base: UInt32, into zeroPage: inout ByteWriter) {
    let size = UInt32(mode.pitch * mode.height)
    zeroPage.put(0x23 as UInt8, at: 0x0F)  // VIDEO_TYPE_VLFB
    zeroPage.put(UInt16(mode.width), at: 0x12)
    zeroPage.put(UInt16(mode.height), at: 0x14)
    zeroPage.put(UInt16(mode.bits), at: 0x16)
    zeroPage.put(base, at: 0x18)
    zeroPage.put((size + 0xFFFF) >> 16, at: 0x1C)  // in units of 64 KiB
    zeroPage.put(UInt16(mode.pitch), at: 0x24)
    let fields = mode.fields
    for (index, field) in [fields.red, fields.green, fields.blue, fields.rest].enumerated() {
      zeroPage.put(UInt8(field.size), at: 0x26 + index * 2)
      zeroPage.put(UInt8(field.position), at: 0x27 + index * 2)
    }
    zeroPage.put(1 as UInt16, at: 0x32)  // pages
    zeroPage.put(0x009B as UInt16, at: 0x34)  // supported, colour, graphics, linear
  }
}
