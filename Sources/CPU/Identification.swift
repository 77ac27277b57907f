import Memory

/// What CPUID reports. SDM vol. 2, "CPUID".
public enum Identification {
  /// Family 6, model 7, stepping 3: also EDX after reset.
  public static let signature: UInt32 = 0x0000_0673

  public static let vendor = "GenuineIntel"
  public static let brand = "Switchback Virtual CPU"

  /// Leaf 1, EDX: FPU, DE, PSE, TSC, MSR, PAE, CX8, SEP, PGE, CMOV, CLFSH, MMX, FXSR, SSE, SSE2.
  public static let features: UInt32 = [0, 2, 3, 4, 5, 6, 8, 11, 13, 15, 19, 23, 24, 25, 26]
    .reduce(0) { $0 | 1 << $1 }

  /// Leaf 1, EDX: a local APIC, which the machine around the processor may have.
  private static let apicFeature: UInt32 = 1 << 9

  /// Leaf 1, EDX of the processor in its machine.
  public static func features(hasAPIC: Bool) -> UInt32 { features | (hasAPIC ? apicFeature : 0) }

  /// Leaf 8000_0001h, EDX: execute-disable.
  public static let extendedFeatures: UInt32 = 1 << 20

  /// The leaf with which a program at any privilege level marks a place (benchmarks/include/switchback.h). The
  /// answer is 1, so that a program can find out whether marks are seen.
  public static let markLeaf: UInt32 = 0x4053_4D4B

  private static let lastBasicLeaf: UInt32 = 2
  private static let lastExtendedLeaf: UInt32 = 0x8000_0004

  /// EAX, EBX, ECX, EDX of a leaf. Leaves beyond the last give the last basic one.
  public static func leaf(_ number: UInt32, hasAPIC: Bool = false)
    -> (UInt32, UInt32, UInt32, UInt32)
  {
    switch number {
    case 0:
      let v = words(vendor, count: 3)
      return (lastBasicLeaf, v[0], v[2], v[1])
    case 1:
      // CLFLUSH works on lines of 8 * 8 bytes.
      return (signature, 0x0000_0800, 0, features(hasAPIC: hasAPIC))
    case markLeaf: return (1, 0, 0, 0)
    case 0x8000_0000: return (lastExtendedLeaf, 0, 0, 0)
    case 0x8000_0001: return (0, 0, 0, extendedFeatures)
    case 0x8000_0002...0x8000_0004:
      let text = words(brand, count: 12)
      let first = Int(number - 0x8000_0002) * 4
      return (text[first], text[first + 1], text[first + 2], text[first + 3])
    default:
      // Descriptors of a Pentium III: TLBs, 16 KiB L1 caches, 512 KiB L2 cache.
      return (0x0302_0101, 0, 0, 0x0C04_0843)
    }
  }

  /// The characters of a text as little-endian doublewords, padded with zeros.
  private static func words(_ text: String, count: Int) -> [UInt32] {
    var words = [UInt32](repeating: 0, count: count)
    for (i, byte) in text.utf8.prefix(count * 4).enumerated() {
      words[i / 4] |= UInt32(byte) << UInt32(i % 4 * 8)
    }
    return words
  }
}
