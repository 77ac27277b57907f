/// An exception that an instruction raises, before delivery. SDM vol. 3, table 6-1.
public struct Fault: Error, Equatable, Sendable {
  public var vector: UInt8
  public var hasErrorCode: Bool
  public var errorCode: UInt16
  /// The address that caused a #PF, for CR2.
  public var linearAddress: UInt32

  @inlinable
  public init(vector: UInt8, errorCode: UInt16? = nil, linearAddress: UInt32 = 0) {
    self.vector = vector
    self.hasErrorCode = errorCode != nil
    self.errorCode = errorCode ?? 0
    self.linearAddress = linearAddress
  }

  public static let divideError = Fault(vector: 0)
  public static let debug = Fault(vector: 1)
  public static let breakpoint = Fault(vector: 3)
  public static let overflow = Fault(vector: 4)
  public static let boundRange = Fault(vector: 5)
  public static let invalidOpcode = Fault(vector: 6)
  public static let deviceNotAvailable = Fault(vector: 7)
  public static let x87Error = Fault(vector: 16)
  public static let alignmentCheck = Fault(vector: 17, errorCode: 0)
  public static let simdError = Fault(vector: 19)

  /// #TS with a selector (its RPL bits are replaced by EXT at delivery).
  @inlinable public static func invalidTSS(_ selector: UInt16) -> Fault {
    Fault(vector: 10, errorCode: selector)
  }
  /// #NP with a selector.
  @inlinable public static func notPresent(_ selector: UInt16) -> Fault {
    Fault(vector: 11, errorCode: selector)
  }
  /// #SS with a selector or 0.
  @inlinable public static func stackFault(_ selector: UInt16 = 0) -> Fault {
    Fault(vector: 12, errorCode: selector)
  }
  /// #GP with a selector or 0.
  @inlinable public static func generalProtection(_ selector: UInt16 = 0) -> Fault {
    Fault(vector: 13, errorCode: selector)
  }
  /// #PF at a linear address; error code bits per SDM vol. 3, figure 4-12.
  @inlinable public static func pageFault(_ linear: UInt32, errorCode: UInt16) -> Fault {
    Fault(vector: 14, errorCode: errorCode, linearAddress: linear)
  }
}
