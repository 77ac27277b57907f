import Testing

@testable import ISA

@Suite struct DisassemblerTests {
  @Test(
    arguments: [
      ([0x01, 0x44, 0xB3, 0x10], 4, "add dword ptr [ebx+esi*4+0x10], eax"),
      ([0x8B, 0x45, 0xFC], 4, "mov eax, dword ptr [ebp-0x4]"),
      ([0x65, 0xA1, 0x14, 0, 0, 0], 4, "mov eax, dword ptr gs:[0x14]"),
      ([0x8B, 0x45, 0x80], 2, "mov ax, word ptr [di-0x80]"),
      ([0x88, 0xE0], 4, "mov al, ah"),
      ([0x66, 0x83, 0xC0, 0xFF], 4, "add ax, 0xffff"),
      ([0x74, 0xFE], 4, "jz 0x1000"),
      ([0x0F, 0x9F, 0xC1], 4, "setnle cl"),
      ([0x0F, 0x42, 0xC1], 4, "cmovb eax, ecx"),
      ([0xE8, 0xFB, 0xFF], 2, "call 0xffe"),
      ([0xEA, 0x78, 0x56, 0x34, 0x12, 0x08, 0x00], 4, "jmp far 0x8:0x12345678"),
      ([0xF3, 0xA5], 4, "rep movsd es:[edi], ds:[esi]"),
      ([0x64, 0xF2, 0xA6], 2, "repne cmpsb fs:[si], es:[di]"),
      ([0xF0, 0x0F, 0xC7, 0x0E], 4, "lock cmpxchg8b qword ptr [esi]"),
      ([0x98], 4, "cwde"), ([0x99], 2, "cwd"), ([0xCF], 4, "iretd"), ([0x60], 2, "pusha"),
      ([0x66, 0xE3, 0x00], 4, "jecxz 0x3"),
      ([0x2E, 0xD7], 4, "xlat cs:[ebx+al]"),
      ([0xC8, 0x10, 0x00, 0x01], 4, "enter 0x10, 0x1"),
      ([0x0F, 0x22, 0xC0], 4, "mov cr0, eax"),
      ([0x8E, 0xD8], 4, "mov ds, ax"),
      ([0xDC, 0xC1], 4, "fadd st1, st0"),
      ([0xDA, 0xD9], 4, "fcmovu st0, st1"),
      ([0xDB, 0x28], 4, "fld tbyte ptr [eax]"),
      ([0xF2, 0x0F, 0x58, 0x00], 4, "addsd xmm0, qword ptr [eax]"),
      ([0x66, 0x0F, 0x70, 0xCA, 0x1B], 4, "pshufd xmm1, xmm2, 0x1b"),
      ([0x0F, 0x7F, 0x01], 4, "movq qword ptr [ecx], mm0"),
      ([0xF3, 0x90], 4, "pause"),
    ] as [([UInt8], UInt8, String)])
  func text(bytes: [UInt8], codeSize: UInt8, expected: String) {
    guard case .instruction(let instruction) = Decoder.decode(bytes, codeSize: codeSize) else {
      Issue.record("\(expected) does not decode")
      return
    }
    // Branches are shown from 0x1000; JECXZ with a 16-bit operand size wraps at 64 KiB.
    let address: UInt32 = instruction.kind == .jcxz ? 0x1_0000 : 0x1000
    #expect(instruction.text(at: address) == expected)
  }

  /// No instruction form lacks a text.
  @Test func everyRowHasText() {
    var generator = TestGenerator(state: 3)
    for row in InstructionTable.shared.rows {
      guard let bytes = row.sampleEncoding(using: &generator),
        case .instruction(let instruction) = Decoder.decode(bytes, codeSize: 4)
      else { continue }
      let text = instruction.text(at: 0)
      #expect(!text.contains("cc ") && !text.hasSuffix(" ") && !text.contains("  "), "\(text)")
    }
  }
}
