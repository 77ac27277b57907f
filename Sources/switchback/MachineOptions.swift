import ArgumentParser
import Host
import ISA
import Machine
import Memory
import Synchronization

/// The options that say what machine to build and what to boot; shared by `run` and `lockstep`.
struct MachineOptions: ParsableArguments {
  @Option(
    name: [.customShort("m"), .long],
    help: ArgumentHelp("Guest RAM, 16M to 3G (256M).", valueName: "size"),
    transform: Arguments.memory)
  var memory: UInt64 = 256 << 20

  @Option(
    help: ArgumentHelp(
      "Boot a Linux bzImage or a Multiboot 1 kernel.", valueName: "file"))
  var kernel: String?

  @Option(
    help: ArgumentHelp("Initial RAM disk, or the Multiboot module.", valueName: "file"))
  var initrd: String?

  @Option(help: ArgumentHelp("The kernel's command line.", valueName: "text"))
  var append: String?

  @Option(
    help: ArgumentHelp("The system firmware (the installed SeaBIOS).", valueName: "file"))
  var bios: String?

  @Option(
    help: ArgumentHelp(
      "An expansion ROM that the firmware starts; can be repeated.", valueName: "file"))
  var optionRom: [String] = []

  @Option(
    help: ArgumentHelp(
      "What the firmware tries to boot from, in this order: c = disk, d = CD, a = floppy (cda).",
      valueName: "order"),
    transform: Arguments.bootOrder)
  var boot = MachineConfiguration().bootOrder

  @Option(
    help: ArgumentHelp(
      "Start a bare ROM image at the reset vector.", valueName: "file"))
  var rom: String?

  @Flag(help: "Boot the embedded demonstration.")
  var demo = false

  @Option(
    help: ArgumentHelp(
      "What virtual time follows: 'cycles' (counted, deterministic) or 'host' (wall time); "
        + "host with a window, else cycles.",
      valueName: "clock"),
    transform: { try Arguments.choice(MachineConfiguration.Clock.self, $0) })
  var clock: MachineConfiguration.Clock?

  @Flag(
    help: "Let '--engine adaptive' execute directly although '--clock cycles' runs then differ.")
  var direct = false

  @Option(
    help: ArgumentHelp(
      "Guest cycles per microsecond (\(MachineConfiguration.defaultMHz(for: .cycles)); by the host's clock "
        + "\(MachineConfiguration.defaultMHz(for: .host))).", valueName: "n"
    ),
    transform: Arguments.mhz)
  var mhz: UInt64?

  @Option(
    help: ArgumentHelp(
      "What instructions cost: \(TimingModel.allCases.map(\.rawValue).joined(separator: ", ")).",
      valueName: "model"),
    transform: Arguments.timing)
  var timing = MachineConfiguration().timing

  @Option(
    help: ArgumentHelp("End with status 124 after this many guest cycles.", valueName: "n"),
    transform: Arguments.cycles)
  var cycleLimit: UInt64?

  @Option(
    help: ArgumentHelp(
      "Model caches beside the interpreter: 'default' or l1i=, l1d=, l2=SIZE:WAYS:LINE:LATENCY, "
        + "tlb=ENTRIES:WAYS:LATENCY, memory=LATENCY, separated by commas.", valueName: "spec"),
    transform: Arguments.caches)
  var cacheModel: CacheModel.Configuration?

  @OptionGroup var translation: TranslationOptions

  @Flag(help: "Leave out power management and the ACPI tables.")
  var noAcpi = false

  @Flag(help: "Leave out the local APIC and the I/O APIC.")
  var noApic = false

  @Flag(help: "Leave out the high precision event timer.")
  var noHpet = false

  @Flag(help: "Let a write of V to port F4h end the run with status (V*2+1) & 255.")
  var debugExit = false

  func validate() throws {
    let chosen = [
      kernel.map { _ in "--kernel" }, rom.map { _ in "--rom" }, bios.map { _ in "--bios" },
      demo ? "--demo" : nil,
    ].compactMap { $0 }
    guard chosen.count < 2 else {
      throw ValidationError("\(chosen[0]) and \(chosen[1]) exclude each other")
    }
    guard kernel != nil || initrd == nil else { throw ValidationError("--initrd needs --kernel") }
    guard optionRom.isEmpty || kernel == nil && rom == nil && !demo else {
      throw ValidationError("--option-rom needs the system firmware")
    }
    guard kernel != nil || append == nil else { throw ValidationError("--append needs --kernel") }
  }

  /// The machine that the options describe, without a window.
  var configuration: MachineConfiguration { configuration(hasWindow: false) }

  /// What is booted, in a word or two.
  var guestName: String {
    if demo { return "demonstration" }
    guard let file = kernel ?? rom else { return "" }
    return String(file.split(separator: "/").last ?? "")
  }

  func configuration(hasWindow: Bool) -> MachineConfiguration {
    let clock = clock ?? (hasWindow ? .host : .cycles)
    var result = MachineConfiguration()
    result.memory = memory
    result.clock = clock
    result.mhz = mhz ?? MachineConfiguration.defaultMHz(for: clock)
    result.timing = timing
    result.cycleLimit = cycleLimit
    result.bootOrder = boot
    result.debugExit = debugExit
    result.translator = translation.options
    result.hasACPI = !noAcpi
    result.hasAPIC = !noApic
    result.hasHPET = !noHpet
    result.directWithCycles = direct
    result.cacheModel = cacheModel
    if clock == .cycles { result.startTime = MachineConfiguration.fixedStartTime }
    return result
  }

  /// Reads the files and prepares what to boot.
  func bootImage() throws(InputError) -> BootImage {
    if let rom {
      return try ROMLoader.load(rom: Files.read(rom, option: "--rom"), name: "--rom: \(rom)")
    }
    if demo { return try BootImage.demonstration() }
    guard let kernel else { return try firmware() }
    let bytes = try Files.read(kernel, option: "--kernel")
    var disk: [UInt8]?
    if let initrd { disk = try Files.read(initrd, option: "--initrd") }
    return try KernelLoader.load(
      kernel: bytes, name: "--kernel: \(kernel)", initrd: disk, initrdName: initrd ?? "",
      commandLine: append ?? "", configuration: configuration)
  }
}

extension MachineOptions {
  /// The system firmware that was named, or the installed one, with the installed video firmware.
  private func firmware() throws(InputError) -> BootImage {
    let system: [UInt8]
    if let bios {
      system = try Files.read(bios, option: "--bios")
    } else {
      system = try FirmwareLoader.find(FirmwareLoader.systemName, option: "--bios")
    }
    var options: [(contents: [UInt8], name: String)] = []
    for path in optionRom {
      options.append((try Files.read(path, option: "--option-rom"), "--option-rom: \(path)"))
    }
    return try FirmwareLoader.load(
      system: system, systemName: "--bios: \(bios ?? FirmwareLoader.systemName)",
      video: FirmwareLoader.find(FirmwareLoader.videoName, option: "--bios"),
      videoName: "--bios: \(FirmwareLoader.videoName)", options: options)
  }
}

/// One `--until` or `--type` of the command line with its place among them: the two kinds of options form one
/// script, and the argument parser keeps the order only within each kind.
struct ScriptStep: Sendable {
  private static let counter = Atomic<Int>(0)
  let place: Int
  let step: InputScript.Step

  init(_ step: InputScript.Step) {
    place = Self.counter.add(1, ordering: .relaxed).newValue
    self.step = step
  }
}
