typedef int mpt_spectral_placeholder;
