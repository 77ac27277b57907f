import Roms

extension ROM {
  /// The system tests of processor and chipset: each prints a line per check on port E9h and COM1 and ends with a
  /// write of 0 (all passed) or 1 to the debug-exit port F4h.
  public static let systemTests = [
    ROM(name: "churn", base64: churnImage),
    ROM(name: "code16", base64: code16Image),
    ROM(name: "debug", base64: debugImage),
    ROM(name: "delivery", base64: deliveryImage),
    ROM(name: "descriptors", base64: descriptorsImage),
    ROM(name: "devices", base64: devicesImage),
    ROM(name: "exceptions", base64: exceptionsImage),
    ROM(name: "gates", base64: gatesImage),
    ROM(name: "interrupts", base64: interruptsImage),
    ROM(name: "mutation", base64: mutationImage),
    ROM(name: "paging", base64: pagingImage),
    ROM(name: "realmode", base64: realmodeImage),
    ROM(name: "segmentation", base64: segmentationImage),
    ROM(name: "selfmodify", base64: selfmodifyImage),
    ROM(name: "strings", base64: stringsImage),
    ROM(name: "system", base64: systemImage),
    ROM(name: "tasks", base64: tasksImage),
    ROM(name: "torture", base64: tortureImage),
    ROM(name: "translation", base64: translationImage),
    ROM(name: "v86", base64: v86Image),
  ]

  /// Does everything a known number of times.
  public static let counters = ROM(name: "counters", base64: countersImage)

  /// Does what its parameters say as often as they say.
  public static let counting = ROM(name: "counting", base64: countingImage)

  /// Shows a picture and tells on COM1 what the keyboard and the mouse send.
  public static let window = ROM(name: "window", base64: windowImage)
}
