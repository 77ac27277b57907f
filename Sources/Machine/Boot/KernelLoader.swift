import CPU
import Devices
import Roms

/// Chooses the loader by what a kernel file is.
public enum KernelLoader {
  /// Where systems look for the MP floating pointer.
  private static let multiprocessorTable: UInt32 = 0xF_0000

  /// - Parameters:
  ///   - name: what to call the file in messages; `initrdName` the RAM disk's path.
  /// - Throws: `InputError` if the file is no kernel or does not fit.
  public static func load(
    kernel: [UInt8], name: String, initrd: [UInt8]?, initrdName: String, commandLine: String,
    configuration: MachineConfiguration
  ) throws(InputError) -> BootImage {
    guard !kernel.isEmpty else { throw InputError(.badData, "\(name): the file is empty") }
    let description = PC.acpiConfiguration(configuration)
    let tables = configuration.hasACPI ? ACPITables(description) : nil
    let memory = MemoryLayoutMap(
      ramSize: UInt32(configuration.memory), acpiRoot: tables?.rootPointer ?? 0)
    var image = try load(
      kernel, name: name, initrd: initrd, initrdName: initrdName, commandLine: commandLine,
      memory: memory)
    var contents = tables?.contents ?? []
    if configuration.hasAPIC {
      contents +=
        MultiprocessorTables(
          at: multiprocessorTable, description, signature: Identification.signature,
          features: Identification.features(hasAPIC: true)
        ).contents
    }
    image.segments += contents.map { .init(address: $0.address, bytes: $0.bytes) }
    return image
  }

  private static func load(
    _ kernel: [UInt8], name: String, initrd: [UInt8]?, initrdName: String, commandLine: String,
    memory: MemoryLayoutMap
  ) throws(InputError) -> BootImage {
    if LinuxLoader.recognizes(kernel) {
      return try LinuxLoader.load(
        kernel: kernel, name: name, initrd: initrd, commandLine: commandLine, memory: memory)
    }
    guard MultibootLoader.recognizes(kernel) else {
      throw InputError(
        .badData, "\(name): neither a Linux kernel image (bzImage) nor a Multiboot 1 kernel")
    }
    return try MultibootLoader.load(
      kernel: kernel, name: name, module: initrd, moduleName: initrdName, commandLine: commandLine,
      memory: memory)
  }
}

extension BootImage {
  /// The guest that is embedded in the program.
  public static func demonstration() throws(InputError) -> BootImage {
    var image = try ROMLoader.load(rom: ROM.demo.image, name: "the embedded demonstration")
    image.kind = "demo"
    return image
  }
}
