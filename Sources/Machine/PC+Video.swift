import CPU
import Devices
import Memory

extension PC {
  /// Shows video memory where the guest puts the video function's base address. The processor reaches it
  /// directly; the card is told of the first write to each part after it has looked at it.
  static func attachFramebuffer(
    of vga: VGA, to function: PCIFunction, processor: Processor, memory: PhysicalMemory
  ) {
    let size = UInt32(vga.memorySize)
    var current: UInt32?
    function.addBaseAddress(0, .memory(size: size)) { [unowned memory, unowned vga] base in
      if let old = current { memory.detach(at: old) }
      // On top of another device it is out of reach.
      current = base.flatMap { base in
        let range = base...base + (size - 1)
        let isFree =
          (try? memory.attachDeviceMemory(range: range, name: "framebuffer") {
            [unowned vga] in vga.framebufferWritten($0)
          }) != nil
        return isFree ? base : nil
      }
    }
    let cpu = processor.cpu
    vga.trackWrites = { [unowned memory] in
      guard let current else { return }
      cpu.revokeWrites(toPhysicalPages: memory.trackWrites(at: current))
    }
  }
}
