/// Addresses and offsets that the stub's assembly and the C structures share; the latter are checked against
/// these in DirectSandbox.c.
#ifndef SWITCHBACK_DIRECTSTUBLAYOUT_H
#define SWITCHBACK_DIRECTSTUBLAYOUT_H

// Above 4 GiB, where 32-bit code has no names for anything.
#define STUB_CODE 0x1000000000
#define STUB_CONTROL 0x1000100000
#define STUB_STATUS 0x1000200000
#define STUB_CONTROL_SIZE 0x8000
#define STUB_STATUS_SIZE 0x11000
// The signal stack lies in the status area behind its first page.
#define STUB_STACK (STUB_STATUS + 0x1000)
#define STUB_STACK_SIZE 0x10000

// Descriptors that the stub starts with.
#define STUB_RAM_DESCRIPTOR 3
#define STUB_CONTROL_DESCRIPTOR 4

// StubControl
#define CONTROL_RUN 0
#define CONTROL_WORK 4
#define CONTROL_COMMAND_COUNT 8
#define CONTROL_FLAGS 12
#define CONTROL_LDT_COUNT 16
#define CONTROL_FAIL_STEP 20
#define CONTROL_DS 32
#define CONTROL_ES 34
#define CONTROL_FS 36
#define CONTROL_GS 38
#define CONTROL_GUEST_PROGRAM 48
#define CONTROL_WORKER_PROGRAM 64
#define CONTROL_LDT 128
#define CONTROL_LDT_ENTRIES 8
#define CONTROL_FILTERS 512
#define CONTROL_COMMANDS 4096
#define CONTROL_COMMAND_LIMIT 896

// StubStatus
#define STATUS_STOP 0
#define STATUS_WORK 4
#define STATUS_WORK_ERROR 8
#define STATUS_FAILED_STEP 12
#define STATUS_FAILED_ERROR 16
#define STATUS_SIGNAL 20
#define STATUS_CONTEXT 24
#define STATUS_DS 32
#define STATUS_ES 34
#define STATUS_FS 36
#define STATUS_GS 38
#define STATUS_WORKER 40

// Steps of the start, for the report of a failure.
#define STEP_MAP_CONTROL 1
#define STEP_MAP_STATUS 2
#define STEP_SIGNAL_STACK 3
#define STEP_SIGNAL_ACTION 4
#define STEP_SIGNAL_MASK 5
#define STEP_NO_NEW_PRIVILEGES 6
#define STEP_WORKER 7
#define STEP_WORKER_FILTER 8
#define STEP_GUEST_FILTER 9
#define STEP_LDT 10
#define STEP_WATCH 11
#define STEP_CODE 12

#endif
