typedef int mpt_store_placeholder;
