import ISA
import Testing
import Translator

@testable import Machine
@testable import Translator

/// Lockstep finds what we break on purpose, and names it.
@Suite struct LockstepTests {
  /// A loop of 20,000 rounds at 10000Ch, then HLT for ever.
  private static let code: [UInt8] = [
    0xB9, 0x20, 0x4E, 0x00, 0x00,  // mov ecx, 20000
    0x01, 0xC8,  // add eax, ecx
    0x8D, 0x58, 0x01,  // lea ebx, [eax+1]
    0x6B, 0xD3, 0x03,  // imul edx, ebx, 3
    0x89, 0x15, 0x00, 0x00, 0x20, 0x00,  // mov [200000h], edx
    0x52, 0x5E,  // push edx; pop esi
    0x49,  // dec ecx
    0x75, 0xED,  // jnz to the add
    0xFA, 0xF4,  // cli; hlt
  ]

  private func lockstep(breaking: @escaping (Translator, Instruction) -> [UInt8]?) throws
    -> Lockstep.Result
  {
    var configuration = MachineConfiguration()
    configuration.memory = MachineConfiguration.smallestMemory
    configuration.cycleLimit = 10_000_000
    var file = Array(SampleKernels.multiboot(memorySize: 0x1000))
    // The code of the sample is CLI and HLT at its end.
    file.removeLast(4)
    file += Self.code
    let size = UInt32(12 + Self.code.count)
    for offset in [68, 72] {
      for byte in 0..<4 { file[offset + byte] = UInt8(truncatingIfNeeded: size >> (byte * 8)) }
    }
    let image = try KernelLoader.load(
      kernel: file, name: "sample", initrd: nil, initrdName: "", commandLine: "",
      configuration: configuration)
    var lockstep = Lockstep(configuration: configuration, image: image)
    lockstep.sides = (.interpreter, .translator)
    lockstep.prepare = { machine, _ in
      guard let translator = machine.engine as? Translator else { return }
      translator.replacement = { [unowned translator] in breaking(translator, $0) }
    }
    return try lockstep.run()
  }

  private func difference(_ breaking: @escaping (Translator, Instruction) -> [UInt8]?) throws
    -> String
  {
    switch try lockstep(breaking: breaking) {
    case .equal(let ending, _, _, _): return "equal: \(ending)"
    case .different(let text): return text
    }
  }

  private func executing(_ text: String) -> String {
    let lines = text.split(separator: "\n")
    return lines.count > 1 ? String(lines[1]) : text
  }

  @Test func correctCodeIsEqual() throws {
    guard case .equal = try lockstep(breaking: { _, _ in nil }) else {
      Issue.record("a difference")
      return
    }
  }

  @Test func aWrongRegisterIsFound() throws {
    let text = try difference { _, i in i.kind == .imul ? [0x6B, 0xD3, 0x04] : nil }
    #expect(executing(text).contains("imul edx, ebx, 0x3"), "\(text)")
    #expect(text.contains("  EDX: "))
    #expect(text.contains("imul edx, ebx, 0x4"), "the host code is shown")
  }

  @Test func aWrongFlagIsFound() throws {
    // SUB ECX, 1 sets CF, which DEC leaves alone.
    let text = try difference { _, i in i.kind == .dec ? [0x83, 0xE9, 0x01] : nil }
    #expect(executing(text).contains("dec ecx"), "\(text)")
    #expect(text.contains("  EFLAGS: "))
  }

  @Test func aMissingStoreIsFound() throws {
    let text = try difference { _, i in
      i.kind == .mov && i.operands.0.isMemory ? [0x90] : nil
    }
    #expect(executing(text).contains("mov dword ptr [0x200000], edx"), "\(text)")
    #expect(text.contains("  memory 0020000"))
  }

  @Test func whatShowsOnlyInLinkedCodeIsNarrowedDown() throws {
    let text = try difference { translator, i in
      !translator.stepsBlocks && i.kind == .imul ? [0x6B, 0xD3, 0x04] : nil
    }
    #expect(text.contains("not block by block"), "\(text)")
  }
}
