import CHostOracle
import ISA

// Access to the parts of the C structures that Swift sees as tuples.

extension OracleRegisters {
  /// General register `number`.
  public subscript(gpr number: Int) -> UInt32 {
    get { withUnsafeBytes(of: gpr) { $0.load(fromByteOffset: (number & 7) * 4, as: UInt32.self) } }
    set {
      withUnsafeMutableBytes(of: &gpr) {
        $0.storeBytes(of: newValue, toByteOffset: (number & 7) * 4, as: UInt32.self)
      }
    }
  }

  /// Selector of segment register `number`.
  public subscript(selector number: Int) -> UInt16 {
    get {
      withUnsafeBytes(of: selectors) { $0.load(fromByteOffset: number % 6 * 2, as: UInt16.self) }
    }
    set {
      withUnsafeMutableBytes(of: &selectors) {
        $0.storeBytes(of: newValue, toByteOffset: number % 6 * 2, as: UInt16.self)
      }
    }
  }

  /// The value of type `T` at `offset` of the FXSAVE image.
  public subscript<T: FixedWidthInteger>(fxsave offset: Int, as type: T.Type) -> T {
    get { withUnsafeBytes(of: fxsave) { $0.loadUnaligned(fromByteOffset: offset, as: T.self) } }
    set {
      withUnsafeMutableBytes(of: &fxsave) {
        $0.storeBytes(of: newValue, toByteOffset: offset, as: T.self)
      }
    }
  }

  /// The FXSAVE image.
  public var fxsaveBytes: [UInt8] { withUnsafeBytes(of: fxsave) { Array($0) } }
}

extension OracleCase {
  /// The bytes under test.
  public var bytes: [UInt8] {
    get { withUnsafeBytes(of: code) { Array($0.prefix(Int(codeLength))) } }
    set {
      withUnsafeMutableBytes(of: &code) {
        $0.copyBytes(from: newValue.prefix(Int(ORACLE_CODE_BYTES)))
      }
      codeLength = UInt32(min(newValue.count, Int(ORACLE_CODE_BYTES)))
    }
  }

  /// What of the memory image is changed for the case.
  public var patchList: [OraclePatch] {
    get {
      withUnsafeBytes(of: patches) {
        Array($0.bindMemory(to: OraclePatch.self).prefix(Int(patchCount)))
      }
    }
    set {
      let items = newValue.prefix(Int(ORACLE_PATCHES))
      withUnsafeMutableBytes(of: &patches) {
        for (index, item) in items.enumerated() {
          $0.storeBytes(
            of: item, toByteOffset: index * MemoryLayout<OraclePatch>.stride, as: OraclePatch.self)
        }
      }
      patchCount = UInt32(items.count)
    }
  }

  /// 2 or 4: the default operand and address size of the case's code segment.
  public var codeSize: UInt8 { registers[selector: 1] == 0x0F ? 2 : 4 }

  /// The base of the case's code segment.
  public var codeBase: UInt32 { SegmentTable.base(registers[selector: 1]) }

  /// An instruction of the case.
  public struct Step {
    public var offset: Int
    public var instruction: Instruction
  }

  /// The instructions up to the first one that does not decode.
  public var steps: [Step] {
    var result: [Step] = []
    let bytes = bytes
    var offset = 0
    while offset < bytes.count,
      case .instruction(let instruction) = Decoder.decode(
        Array(bytes[offset...]), codeSize: codeSize)
    {
      result.append(Step(offset: offset, instruction: instruction))
      offset += Int(instruction.length)
    }
    return result
  }
}
