#include "core/spin.h"

int ft_spinners_most;
_Atomic(int) ft_spinning;
