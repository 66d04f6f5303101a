# What glibc's libstdc++ and libgcc need of the C library that musl does not have, under the name of
# the library that they ask for: so they run an executable that is linked with musl, which
# musl's own libstdc++ would on a system of that kind. See musl.ts.
    .text
    .globl _dl_find_object, __cxa_thread_atexit_impl, __cpu_indicator_init, arc4random, __strftime_l

# int _dl_find_object(void *address, struct dl_find_object *): -1, and libgcc asks dl_iterate_phdr(3).
    .type _dl_find_object, @function
_dl_find_object:
    mov $-1, %eax
    ret

# int __cxa_thread_atexit_impl(void (*)(void *), void *, void *): what ends a thread's objects is not run.
# int __cpu_indicator_init(void): __cpu_model says that it is no processor in particular.
    .type __cxa_thread_atexit_impl, @function
    .type __cpu_indicator_init, @function
__cxa_thread_atexit_impl:
__cpu_indicator_init:
    xor %eax, %eax
    ret

# uint32_t arc4random(void), for std::random_device.
    .type arc4random, @function
arc4random:
    rdrand %eax
    jnc arc4random
    ret

    .type __strftime_l, @function
__strftime_l:
    jmp strftime_l@PLT

    .bss
    .globl __libc_single_threaded, __cpu_model
    .type __libc_single_threaded, @object
    .size __libc_single_threaded, 1
__libc_single_threaded:
    .zero 16
    .type __cpu_model, @object
    .size __cpu_model, 16
__cpu_model:
    .zero 16

    .section .note.GNU-stack, "", @progbits
