// The cases and outcomes are C structures that the child process shares.
@_exported import CHostOracle
