/// Everything that Swift, C and emitted code must lay out identically is declared under this header.
#ifndef SWITCHBACK_CHOST_H
#define SWITCHBACK_CHOST_H

#include "Instruction.h"
#include "FPUState.h"
#include "CPUState.h"
#include "TranslatedCode.h"
#include "HostCalls.h"
#include "DirectSandbox.h"
#include "X87Shims.h"
#include "XMMValue.h"
#include "PackedShims.h"
#include "SSEShims.h"

#endif
