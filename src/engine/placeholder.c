typedef int mpt_engine_placeholder;
