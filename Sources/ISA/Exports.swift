// `Instruction`, `Operand` and the CPU's state are declared once, in C.
@_exported import CHost
