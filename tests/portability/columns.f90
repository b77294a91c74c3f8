! What a column-major caller gets (multiplet/eigh.h), in Fortran: each matrix a(:, :, b) is solved as
! it stands, eigenvector j comes as the conjugate of row j of v, cotangents and gradients pair with
! their arrays element by element.
program columns
  use, intrinsic :: iso_c_binding
  implicit none

  type, bind(C) :: mpt_options
    integer(c_size_t) :: size = 0
    integer(c_int) :: triangle = 0
    real(c_double) :: tolerance = 0
    integer(c_int) :: gauge_policy = 0, spread_policy = 0, convention = 0, threads = 0, solver = 0, basis = 0
    integer(c_int64_t) :: seed = 0
  end type

  type, bind(C) :: mpt_report
    integer(c_int8_t) :: status
    real(c_double) :: largest, residual, orthogonality, min_gap, gauge_violation, cotangent_spread
    real(c_double) :: gradient_error, frame_condition, tangent_splitting, tangent_error, output_residual
    integer(c_int8_t) :: rule, retried, first_failed, first_decade
    integer(c_int) :: refused
    real(c_double) :: seconds, null_violation, reserved(5)
  end type

  interface
    integer(c_int) function mpt_eigh(type, n, count, options, a, w, v, multiplet, report, error) bind(C)
      import
      integer(c_int), value :: type
      integer(c_int64_t), value :: n, count
      type(mpt_options) :: options
      complex(c_double_complex), intent(in) :: a(*)
      real(c_double) :: w(*)
      complex(c_double_complex) :: v(*)
      integer(c_int32_t) :: multiplet(*)
      type(mpt_report) :: report(*)
      type(c_ptr), value :: error
    end function

    integer(c_int) function mpt_eigh_backward(type, n, count, options, a, w, v, gw, gv, g, multiplet, &
                                              report, error) bind(C)
      import
      integer(c_int), value :: type
      integer(c_int64_t), value :: n, count
      type(mpt_options) :: options
      complex(c_double_complex), intent(in) :: a(*), v(*)
      real(c_double), intent(in) :: w(*), gw(*)
      type(c_ptr), value :: gv, error
      complex(c_double_complex) :: g(*)
      integer(c_int32_t) :: multiplet(*)
      type(mpt_report) :: report(*)
    end function
  end interface

  integer, parameter :: n = 12, count = 2, complex128 = 3, lower = 1
  real(c_double), parameter :: bound = 1e-13_c_double, pi = acos(-1.0_c_double)
  complex(c_double_complex), parameter :: i = (0, 1)
  complex(c_double_complex), dimension(n, n, count) :: a, v, g
  complex(c_double_complex) :: whole(n, n), vectors(n, n)
  real(c_double) :: w(n, count), gw(n, count)
  integer(c_int32_t) :: multiplet(n, count)
  type(mpt_report) :: report(count)
  type(mpt_options) :: options
  integer :: b, j

  options%size = c_sizeof(options)
  options%triangle = lower ! the upper one of a
  call expect(c_sizeof(report(1)) == 160, "the size of a report")

  ! Chains with a phase on each bond: eigenvalues 2 b cos(pi j / (n + 1)). What is below the diagonal is not read.
  a = 0
  do b = 1, count
    do j = 1, n - 1
      a(j, j + 1, b) = b * exp(i * j)
      a(j + 1:, j, b) = 1000
    end do
  end do
  call expect(mpt_eigh(complex128, int(n, c_int64_t), int(count, c_int64_t), options, a, w, v, multiplet, &
                       report, c_null_ptr) == 0, "mpt_eigh")
  gw = 0
  gw(1, :) = 1
  call expect(mpt_eigh_backward(complex128, int(n, c_int64_t), int(count, c_int64_t), options, a, w, v, gw, &
                                c_null_ptr, g, multiplet, report, c_null_ptr) == 0, "mpt_eigh_backward")
  do b = 1, count
    whole = 0
    do j = 1, n - 1
      whole(j, j + 1) = a(j, j + 1, b)
      whole(j + 1, j) = conjg(a(j, j + 1, b))
    end do
    vectors = conjg(transpose(v(:, :, b)))
    do j = 1, n
      call expect(abs(w(j, b) + 2 * b * cos(pi * j / (n + 1))) < bound, "an eigenvalue")
      call expect(maxval(abs(matmul(whole, vectors(:, j)) - w(j, b) * vectors(:, j))) < bound, "a residual")
      call expect(abs(sum(abs(vectors(:, j))**2) - 1) < bound, "a norm")
      call expect(maxval(abs(g(:, j, b) - vectors(:, 1) * conjg(vectors(j, 1)))) < bound, "the gradient of w(1)")
    end do
    call expect(report(b)%status == 1 .and. report(b)%residual < 10, "a report")
    call expect(multiplet(1, b) == 0 .and. multiplet(n, b) == n - 1, "multiplets")
  end do

contains

  subroutine expect(condition, what)
    logical, intent(in) :: condition
    character(*), intent(in) :: what
    if (condition) return
    print *, "wrong: ", what
    stop 1
  end subroutine
end program
