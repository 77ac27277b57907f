/// What an instruction does, named by its Intel mnemonic. A family's cases are implemented in the
/// files of that family in `ISA/Rows`, `Interpreter` and, later, `Translator`. MMX operations that
/// SSE2 widened serve both register kinds; the operands tell which. The string compare/move of
/// doubles and `MOVSD`/`CMPSD` of SSE2 are told apart from the string instructions, which are
/// `movs` and `cmps` with a size.
public enum Operation: UInt16, Sendable, CaseIterable {
  // MARK: DataMovement
  case mov, movzx, movsx, xchg, cmpxchg, cmpxchg8b, xadd, bswap, lea, cmovcc, push, pop, pusha,
    popa, pushf, popf, lahf, sahf, cbw, cwd, xlat, nop
  // MARK: Arithmetic
  case add, adc, sub, sbb, cmp, inc, dec, neg, mul, imul, div, idiv, daa, das, aaa, aas, aam, aad
  // MARK: Logic
  case and, or, xor, not, test, bt, bts, btr, btc, bsf, bsr, setcc, salc
  // MARK: Shift
  case rol, ror, rcl, rcr, shl, shr, sar, shld, shrd
  // MARK: Control
  case jcc, jmp, call, ret, jmpFar, callFar, retFar, jcxz, loop, loope, loopne, enter, leave,
    `int`, int3, into, iret, bound, icebp, ud2, ud0, ud1
  // MARK: String
  case movs, cmps, stos, lods, scas, ins, outs
  // MARK: Flags
  case clc, stc, cmc, cld, std, cli, sti
  // MARK: Segment
  case movToSegment, movFromSegment, pushSegment, popSegment, lds, les, lss, lfs, lgs, arpl, lar,
    lsl, verr, verw
  // MARK: System
  case `in`, out, hlt, clts, invd, wbinvd, invlpg, lgdt, lidt, sgdt, sidt, lldt, sldt, ltr, str,
    lmsw, smsw, movControl, movDebug, cpuid, rdtsc, rdmsr, wrmsr, rdpmc, sysenter, sysexit, rsm,
    pause, prefetch, lfence, mfence, sfence, clflush
  // MARK: X87
  case fld, fst, fstp, fild, fist, fistp, fbld, fbstp, fxch, fcmovcc, fld1, fldl2t, fldl2e, fldpi,
    fldlg2, fldln2, fldz, fadd, fiadd, faddp, fsub, fisub, fsubp, fsubr, fisubr, fsubrp, fmul,
    fimul, fmulp, fdiv, fidiv, fdivp, fdivr, fidivr, fdivrp, fprem, fprem1, fabs, fchs, frndint,
    fscale, fsqrt, fxtract, fcom, fcomp, fcompp, fucom, fucomp, fucompp, ficom, ficomp, fcomi,
    fcomip, fucomi, fucomip, ftst, fxam, fsin, fcos, fsincos, fptan, fpatan, f2xm1, fyl2x, fyl2xp1,
    finit, fincstp, fdecstp, ffree, ffreep, fnop, fldcw, fnstcw, fnstsw, fnclex, fnstenv, fldenv,
    fnsave, frstor, fwait, fxsave, fxrstor
  // MARK: MMX
  case emms, movd, movq, packsswb, packssdw, packuswb, paddb, paddw, paddd, paddsb, paddsw,
    paddusb, paddusw, pand, pandn, pcmpeqb, pcmpeqw, pcmpeqd, pcmpgtb, pcmpgtw, pcmpgtd, pmaddwd,
    pmulhw, pmullw, por, psllw, pslld, psllq, psraw, psrad, psrlw, psrld, psrlq, psubb, psubw,
    psubd, psubsb, psubsw, psubusb, psubusw, punpckhbw, punpckhwd, punpckhdq, punpcklbw, punpcklwd,
    punpckldq, pxor, maskmovq, movntq, pavgb, pavgw, pextrw, pinsrw, pmaxsw, pmaxub, pminsw,
    pminub, pmovmskb, pmulhuw, psadbw, pshufw, paddq, psubq, pmuludq
  // MARK: SSE
  case movaps, movups, movss, movlps, movhps, movhlps, movlhps, movmskps, movntps, addps, addss,
    subps, subss, mulps, mulss, divps, divss, rcpps, rcpss, rsqrtps, rsqrtss, sqrtps, sqrtss,
    maxps, maxss, minps, minss, cmpps, cmpss, comiss, ucomiss, andps, andnps, orps, xorps, shufps,
    unpckhps, unpcklps, cvtpi2ps, cvtps2pi, cvttps2pi, cvtsi2ss, cvtss2si, cvttss2si, ldmxcsr,
    stmxcsr
  // MARK: SSE2
  case movapd, movupd, movsd, movlpd, movhpd, movmskpd, movntpd, addpd, addsd, subpd, subsd, mulpd,
    mulsd, divpd, divsd, sqrtpd, sqrtsd, maxpd, maxsd, minpd, minsd, cmppd, cmpsd, comisd, ucomisd,
    andpd, andnpd, orpd, xorpd, shufpd, unpckhpd, unpcklpd, cvtpi2pd, cvtpd2pi, cvttpd2pi,
    cvtsi2sd, cvtsd2si, cvttsd2si, cvtpd2ps, cvtps2pd, cvtsd2ss, cvtss2sd, cvtpd2dq, cvttpd2dq,
    cvtdq2pd, cvtps2dq, cvttps2dq, cvtdq2ps, movdqa, movdqu, movq2dq, movdq2q, movntdq, movnti,
    maskmovdqu, pshufd, pshufhw, pshuflw, pslldq, psrldq, punpckhqdq, punpcklqdq
}
